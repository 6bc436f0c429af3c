"""Every screen works as a plain page: a browser without script does the whole job."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from conversations.models import Advice, Reply
from tests.cast import Cast
from tests.pages.conftest import Place, Visit


def show(page: Page, menu: str) -> None:
    """Menus are the platform's popovers: they open without a line of script."""
    page.locator(f'[popovertarget="{menu}"]').click()
    expect(page.locator(f"#{menu}")).to_be_visible()


def test_the_team_signs_in_opens_assigns_labels_replies_and_closes(visit: Visit, cast: Cast, square: Place) -> None:
    login = cast.marta.login
    login.set_password("senza-nessuno-script")
    login.save()
    square.hears("1", "Does Nivalta resole boots?")
    other = square.hears("2", "Thanks, Nivalta!", "ringrazia")
    page = visit("", "/b/nivalta/inbox/triage/", java_script_enabled=False)
    page.get_by_label("E-mail").fill("marta@example.org")
    page.get_by_label("Password").fill("senza-nessuno-script")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Passolento").click()
    show(page, "assign")
    page.get_by_role("button", name="To me").click()
    expect(page.locator("#toast")).to_contain_text("Taken")
    expect(page.locator("#timeline")).to_contain_text("Marta took ownership")
    show(page, "labels")
    page.get_by_role("button", name="Complaint").click()
    expect(page.locator(".subhead .tag")).to_have_text("Complaint")

    page.locator("#reply-text").fill("We do, in three weeks.")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("Leaving in")
    page.get_by_role("button", name="Undo send").click()
    expect(page.locator("#reply-text")).to_have_value("We do, in three weeks.")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("We do, in three weeks.")
    assert Reply.objects.get().state == "queued"

    page.goto(f"/b/nivalta/inbox/triage/t/{other.pk}/")
    show(page, "close")
    page.get_by_role("button", name="No reply needed: thanks only").click()
    expect(page.locator("#toast")).to_contain_text("Closed")
    other.refresh_from_db()
    assert (other.state, other.end_reason) == ("closed", "thanks_only")
    page.locator("#toast").get_by_role("button", name="Undo").click()
    other.refresh_from_db()
    assert other.state == "open"


def test_a_consultant_advises(visit: Visit, square: Place) -> None:
    thread = square.hears("1", "Does Nivalta resole boots?")
    page = visit("sandro", f"/consult/nivalta/t/{thread.pk}/", java_script_enabled=False)
    page.get_by_role("button", name="Send to the team").is_visible()
    page.get_by_label("Advice for the team").fill("Name a price.")
    page.get_by_role("button", name="Send to the team").click()
    expect(page.locator(".msg.advice", has_text="Your advice")).to_contain_text("Name a price.")
    assert Advice.objects.get().text == "Name a price."


@pytest.mark.parametrize("mode", ["reply", "note"])
def test_a_note_and_an_answer_given_there(visit: Visit, blog: Place, mode: str) -> None:
    thread = blog.hears("1", "We tried the Nivalta poles.")
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/", java_script_enabled=False)
    if mode == "note":
        page.locator("label", has_text="Internal note").click()
        page.locator("#note-text").fill("Nice review.")
        page.get_by_role("button", name="Add note").click()
        expect(page.locator("#timeline .msg.note")).to_contain_text("Nice review.")
    else:
        page.get_by_label("Address of your answer").fill("https://blog.example/1#c")
        page.locator("#answered").get_by_role("button", name="I answered there").click()
        expect(page.locator("#timeline .msg.public")).to_contain_text("Answered there")
