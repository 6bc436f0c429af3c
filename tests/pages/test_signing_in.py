"""Signing in and out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.cast import Cast
from tests.pages.conftest import Guard, Place, Visit

PASSWORD = "quattro-stagioni-e-un-sentiero"


@pytest.fixture
def marta_has_a_password(cast: Cast) -> None:
    login = cast.marta.login
    login.set_password(PASSWORD)
    login.save()


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("E-mail").fill("marta@example.org")
    page.get_by_label("Password").fill(password)
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()


@pytest.mark.usefixtures("marta_has_a_password")
def test_wrong_then_right_and_back_to_the_page_asked_for_then_out(visit: Visit, square: Place) -> None:
    thread = square.hears("1", "Does Nivalta resole boots?")
    page = visit("", f"/b/nivalta/inbox/all/t/{thread.pk}/")
    expect(page.get_by_role("heading", name="Log in to Ascolto")).to_be_visible()
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("E-mail or password are not right.")
    sign_in(page, PASSWORD)
    expect(page.get_by_role("heading", name="Passolento")).to_be_visible()
    assert page.url.endswith(f"/b/nivalta/inbox/all/t/{thread.pk}/")
    page.get_by_role("button", name="Marta, your menu").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Ascolto")).to_be_visible()
    page.goto("/b/nivalta/inbox/all/")
    expect(page.get_by_role("heading", name="Log in to Ascolto")).to_be_visible()


@pytest.mark.usefixtures("marta_has_a_password")
def test_five_wrong_attempts_are_followed_by_a_pause_even_for_the_right_password(visit: Visit, guard: Guard) -> None:
    guard.expected = {429}
    page = visit("", "/login/")
    for _ in range(5):
        sign_in(page, "wrong")
        expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("Too many attempts. Try again in 15 minutes.")
