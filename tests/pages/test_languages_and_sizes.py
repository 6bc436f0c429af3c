"""Italian, a phone in the hand, the dark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Page, expect

from tests.cast import Cast
from tests.pages.conftest import ROOT, Guard, Place, Visit
from tests.pages.world import Day, ordinary_day

CATALOGUE = ROOT / "locale/it/LC_MESSAGES/django.po"
ENGLISH = re.compile(
    r"\b(the|and|your?|with|for|until|from|this|that|are|was|not|been|reply|close|open|source|ago|of)\b", re.IGNORECASE
)
"""Words that no Italian sentence has."""
SHOWN = """() => [
  ...(function* () {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) if (!walk.currentNode.parentElement.closest('script, style, code, kbd, option[value]'))
      yield walk.currentNode.data;
  })(),
  ...[...document.querySelectorAll('*')].flatMap((one) =>
    ['aria-label', 'title', 'placeholder', 'data-saved', 'data-over'].map((name) => one.getAttribute(name) ?? '')),
  document.title,
].map((text) => text.trim().replace(/\\s+/g, ' ')).filter(Boolean)"""
WIDER = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def day(cast: Cast, square: Place, blog: Place, settings: Any) -> Day:
    settings.UNDO_SECONDS = 0
    return ordinary_day(cast, square, blog)


def pages_of_staff(day: Day) -> list[str]:
    inbox = "/b/nivalta/inbox"
    return [
        *(f"{inbox}/{queue}/" for queue in ("triage", "mine", "waiting", "snoozed", "closed", "all")),
        *(f"{inbox}/all/t/{one.pk}/" for one in (day.full, day.open, day.closed, day.article)),
        "/b/nivalta/reports/",
        "/b/nivalta/reports/list/?figure=waiting",
        "/b/nivalta/sources/",
        f"/b/nivalta/sources/{day.full.source_id}/",
        "/b/nivalta/topics/new/",
        "/me/",
    ]


def english_on(page: Page, known: set[str]) -> list[str]:
    return [text for text in page.evaluate(SHOWN) if text in known or ENGLISH.search(text)]


@pytest.mark.parametrize("name", ["giulia", "sandro", ""])
def test_nothing_stays_english_in_italian(visit: Visit, cast: Cast, day: Day, name: str) -> None:
    with CATALOGUE.open("rb") as file:
        known = {str(one.id) for one in read_po(file) if one.id and one.string != one.id and isinstance(one.id, str)}
    paths = {
        "giulia": pages_of_staff(day),
        "sandro": ["/consult/nivalta/", f"/consult/nivalta/t/{day.full.pk}/", "/consult/nivalta/?mine=1"],
        "": ["/login/", "/password/x/y/"],
    }[name]
    page = visit(name, paths[0], language="it-IT")
    left: dict[str, list[str]] = {}
    for path in paths:
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == "it"
        if words := english_on(page, known):
            left[path] = words
    assert left == {}


def test_a_walk_in_italian(visit: Visit, day: Day) -> None:
    page = visit("marta", "/b/nivalta/inbox/triage/", language="it-IT")
    expect(page.get_by_role("heading", name="Da smistare", exact=True)).to_be_visible()
    page.locator(f"#t{day.open.pk}").click()
    expect(page.locator("#conv-title")).to_be_focused()
    page.keyboard.press("a")
    page.locator("#assign").get_by_role("button", name="A me").click()
    expect(page.locator("#toast")).to_contain_text("Presa in carico")
    page.locator("#reply-text").fill("Ciao!")
    page.get_by_role("button", name="Pubblica").click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("In partenza tra")
    page.keyboard.press("z")
    expect(page.locator("#reply-text")).to_have_value("Ciao!")


def test_list_conversation_and_back_on_a_phone(visit: Visit, day: Day) -> None:
    page = visit("marta", "/b/nivalta/inbox/triage/", width=390, has_touch=True, is_mobile=True)
    expect(page.locator("#conversation")).to_be_hidden()
    page.locator(f"#t{day.open.pk}").tap()
    expect(page.locator("#conv-title")).to_be_visible()
    expect(page.locator("#list")).to_be_hidden()
    expect(page.get_by_role("button", name="Publish")).to_be_visible()
    page.get_by_role("link", name="Back to the list").tap()
    expect(page.locator("#list")).to_be_visible()
    expect(page.locator("#conversation")).to_be_hidden()
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Reports").tap()
    expect(page.get_by_role("heading", name="Health of the dialogue")).to_be_visible()


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_wider_than_the_phone(visit: Visit, day: Day, width: int) -> None:
    team = visit("giulia", "/me/", width=width, has_touch=True, is_mobile=True)
    consultant = visit("sandro", "/me/", width=width, has_touch=True, is_mobile=True)
    consult = ["/consult/nivalta/", f"/consult/nivalta/t/{day.full.pk}/"]
    wider = {}
    for page, paths in ((team, pages_of_staff(day)), (consultant, consult)):
        for path in paths:
            page.goto(path)
            if by := page.evaluate(WIDER):
                wider[path] = by
    assert wider == {}


def test_the_theme_follows_the_system_and_then_the_person(visit: Visit, cast: Cast, day: Day) -> None:
    canvas = "getComputedStyle(document.body).backgroundColor"
    light = visit("marta", "/b/nivalta/inbox/all/").evaluate(canvas)
    page = visit("marta", "/b/nivalta/inbox/all/", color_scheme="dark")
    dark = page.evaluate(canvas)
    assert light == "rgb(244, 244, 241)"
    assert dark == "rgb(18, 18, 17)"
    page.goto("/me/")
    page.get_by_label("Light").check(force=True)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto("/b/nivalta/inbox/all/")
    assert page.evaluate(canvas) == light


def test_a_time_zone_that_is_none_is_refused_in_words(visit: Visit, guard: Guard) -> None:
    guard.expected = {422}
    page = visit("marta", "/me/")
    page.evaluate("document.querySelector('#zone option:checked').value = 'Moon/Sea of Tranquility'")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a time zone from the list.")
