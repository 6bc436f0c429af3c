"""Triage without a mouse, and what takes a step back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from conversations.models import Thread
from tests.cast import Cast
from tests.pages.conftest import Place, Visit


@pytest.fixture
def threads(square: Place) -> list[Thread]:
    """Three that wait, in the order of the list."""
    words = ("Where is the nearest Nivalta shop?", "My Nivalta jacket leaks.", "Thank you, Nivalta!")
    return [square.hears(f"t{number}", text, f"hiker{number}") for number, text in enumerate(words)]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_triage_by_keyboard_alone(visit: Visit, cast: Cast, threads: list[Thread]) -> None:
    first, second, third = threads
    page = visit("marta", "/b/nivalta/inbox/triage/")
    toast, title = page.locator("#toast"), page.locator("#conv-title")

    press(page, "j", "j", "k")
    assert focused(page) == f"t{first.pk}"
    press(page, "Enter")
    expect(title).to_be_focused()
    assert page.url.endswith(f"/t/{first.pk}/")

    press(page, "l")
    expect(page.get_by_role("button", name="Complaint")).to_be_focused()
    press(page, "1")
    expect(page.locator("#conv-head .chip.tag")).to_have_text("Complaint")
    assert [one.name for one in first.labels.all()] == ["Complaint"]

    press(page, "a")
    expect(page.get_by_role("button", name="To me")).to_be_focused()
    press(page, "m")
    expect(toast).to_contain_text("Taken")
    expect(page.locator("#queues")).to_contain_text("Assigned to me1")
    first.refresh_from_db()
    assert first.owner_id == cast.marta.pk

    page.goto(f"/b/nivalta/inbox/triage/t/{second.pk}/")
    press(page, "s")
    expect(page.locator("#snooze")).to_be_visible()
    press(page, "2")
    expect(title).to_have_text("Hiker2")
    expect(toast).to_contain_text("Snoozed")
    second.refresh_from_db()
    assert second.state == "snoozed"

    press(page, "z")
    expect(toast).to_contain_text("Undone")
    second.refresh_from_db()
    assert (second.state, second.snoozed_until) == ("open", None)

    page.goto(f"/b/nivalta/inbox/triage/t/{third.pk}/")
    press(page, "e", "1")
    expect(toast).to_contain_text("Closed")
    third.refresh_from_db()
    assert (third.state, third.end_reason) == ("closed", "thanks_only")

    press(page, "?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    press(page, "Escape")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_hidden()


def test_escape_leads_back_from_the_text_to_the_title_to_the_row(visit: Visit, threads: list[Thread]) -> None:
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{threads[0].pk}/")
    press(page, "r")
    expect(page.locator("#reply-text")).to_be_focused()
    page.keyboard.type("jkeasz?")
    expect(page.locator("#reply-text")).to_have_value("jkeasz?")
    press(page, "Escape")
    expect(page.locator("#conv-title")).to_be_focused()
    press(page, "Escape")
    assert focused(page) == f"t{threads[0].pk}"
    press(page, "j")
    assert focused(page) == f"t{threads[1].pk}"


def test_silence_asks_for_a_reason_and_an_answered_one_does_not(
    visit: Visit, cast: Cast, threads: list[Thread]
) -> None:
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{threads[1].pk}/")
    page.locator("#conv-head").get_by_role("button", name="Close").click()
    expect(page.get_by_text("Close without replying: why?")).to_be_visible()
    page.get_by_role("button", name="Not about us").click()
    expect(page.locator("#toast")).to_contain_text("Closed")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#toast")).to_contain_text("Undone")
    page.goto(f"/b/nivalta/inbox/closed/t/{threads[1].pk}/")
    expect(page.locator("#timeline")).to_contain_text("Marta closed it: Not about us")
    expect(page.locator("#timeline")).to_contain_text("Marta undid the last step")


def test_a_colleagues_move_is_seen_without_reload(visit: Visit, cast: Cast, threads: list[Thread]) -> None:
    page, other = (visit(name, f"/b/nivalta/inbox/triage/t/{threads[0].pk}/") for name in ("marta", "teo"))
    page.evaluate("window.same = true")
    other.keyboard.press("a")
    other.keyboard.press("m")
    expect(page.locator("#timeline")).to_contain_text("Teo took ownership")
    assert page.evaluate("window.same")
