"""axe finds nothing: on every page, wide and narrow, in both themes, with every menu and dialog open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from accounts.passwords import link_for
from tests.cast import Cast
from tests.pages.conftest import Guard, Place, Visit
from tests.pages.test_languages_and_sizes import pages_of_staff
from tests.pages.world import Day, ordinary_day

Axe = Callable[..., list[str]]
SIZES = pytest.mark.parametrize("width", [1440, 390])
OPEN = "dialog[open], :popover-open"
CLOSE_ALL = "document.querySelectorAll(':popover-open').forEach((one) => one.hidePopover())"


@pytest.fixture
def day(cast: Cast, square: Place, blog: Place, settings: Any) -> Day:
    settings.UNDO_SECONDS = 0
    return ordinary_day(cast, square, blog)


def look_at(page: Page, paths: list[str], axe: Axe) -> list[str]:
    found = []
    for path in paths:
        page.goto(path)
        found += axe(page, path)
    return found


@SIZES
def test_pages_of_the_team(visit: Visit, day: Day, axe: Axe, guard: Guard, width: int) -> None:
    guard.expected = {404}
    page = visit("giulia", "/me/", width=width)
    paths = [*pages_of_staff(day), "/b/nivalta/no-such-page/"]
    if width == 390:  # one list is like the other
        paths = [path for path in paths if not path.endswith(("/mine/", "/waiting/", "/snoozed/", "/closed/"))]
    assert look_at(page, paths, axe) == []


@SIZES
def test_pages_of_a_consultant_and_of_a_stranger(
    visit: Visit, cast: Cast, day: Day, axe: Axe, guard: Guard, width: int
) -> None:
    guard.expected = {404}
    page = visit("sandro", "/me/", width=width)
    consult = "/consult/nivalta/"
    found = look_at(page, [consult, f"{consult}t/{day.full.pk}/", f"{consult}?mine=1"], axe)
    engagement = cast.engagements["sandro"]
    engagement.ended_at = timezone.now()
    engagement.save(update_fields=["ended_at"])
    found += look_at(page, [consult], axe)

    link = "/password/" + link_for(cast.teo.login).partition("/password/")[2]
    stranger = visit("", "/login/", width=width)
    assert found + look_at(stranger, ["/login/", link, "/password/x/y/"], axe) == []


def test_what_opens_over_a_page(visit: Visit, day: Day, axe: Axe) -> None:
    page = visit("giulia", f"/b/nivalta/inbox/all/t/{day.open.pk}/")
    found: list[str] = []
    for key in ("a", "l", "s", "e", "?"):
        page.keyboard.press(key)
        page.locator(OPEN).first.wait_for()
        found += axe(page, f"opened with {key}", OPEN)
        page.keyboard.press("Escape")
        page.evaluate(CLOSE_ALL)
    page.keyboard.press("n")
    found += axe(page, "a note", "#composer")
    page.goto(f"/b/nivalta/inbox/all/t/{day.full.pk}/")
    page.get_by_role("button", name="Not followed…").click()
    found += axe(page, "not followed", OPEN)
    page.goto("/b/nivalta/reports/")
    page.get_by_role("button", name="Definition").first.click()
    found += axe(page, "a definition", OPEN)
    page.locator("summary").first.click()
    found += axe(page, "the data as a table", "details[open]")
    assert found == []
