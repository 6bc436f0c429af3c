"""The consultant's page: reads, advises, and learns what became of it. Until the engagement ends."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from conversations.models import Advice, Thread
from tests.cast import Cast
from tests.pages.conftest import PATIENCE, Guard, Place, Visit

SELECT = """([start, end]) => {
  const words = document.querySelector('[data-message] p').firstChild;
  const range = document.createRange();
  range.setStart(words, start); range.setEnd(words, end);
  getSelection().removeAllRanges(); getSelection().addRange(range);
  document.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
}"""


@pytest.fixture
def thread(square: Place) -> Thread:
    return square.hears("1", "The Nivalta shop told me to come back in spring. Really?")


def advise(page: Page, text: str) -> None:
    page.evaluate(SELECT, [21, 48])
    expect(page.get_by_label("The words it is about")).to_have_value("me to come back in spring.")
    page.get_by_label("Advice for the team").fill(text)
    page.get_by_role("button", name="Send to the team").click()


def test_a_consultant_advises_the_team_takes_it_and_both_see_it(visit: Visit, thread: Thread) -> None:
    staff = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    staff.evaluate("window.same = true")
    page = visit("sandro", "/consult/nivalta/")
    page.get_by_role("link", name="Passolento").click()
    expect(page.get_by_text("You can read and advise, not reply.")).to_be_visible()
    for tool in ("Publish", "Assign", "Close", "Snooze", "Label", "Add note"):
        expect(page.get_by_role("button", name=tool)).to_have_count(0)
    assert page.locator("main textarea:visible").evaluate_all("all => all.map(one => one.name)") == ["quote", "text"]
    advise(page, "Say when spring begins.")
    expect(page.locator("#toast")).to_contain_text("Sent to the team.")
    mine = page.locator(".msg.advice", has_text="Your advice")
    expect(mine).to_contain_text("Say when spring begins.")
    expect(mine).to_contain_text("Not decided yet")

    theirs = staff.locator("#timeline .msg.advice")
    expect(theirs).to_contain_text("Say when spring begins.")
    expect(theirs).to_contain_text("Sandro, Studio Controvento")
    expect(theirs.locator(".quoted")).to_have_text("me to come back in spring.")
    assert staff.evaluate("window.same")
    theirs.get_by_role("button", name="Taken up").click()
    expect(theirs).to_contain_text("Taken up by Marta")
    assert Advice.objects.get().state == "taken"

    page.get_by_role("link", name="My advice").first.click()
    page.get_by_role("link", name="Passolento").click()
    expect(mine).to_contain_text("Taken up")


def test_advice_that_is_not_followed_has_a_reason_that_its_author_reads(visit: Visit, thread: Thread) -> None:
    page = visit("sandro", f"/consult/nivalta/t/{thread.pk}/")
    advise(page, "Offer them a voucher.")
    expect(page.locator("#toast")).to_contain_text("Sent to the team.")
    staff = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    staff.get_by_role("button", name="Not followed…").click()
    staff.get_by_label("Why it is not followed").fill("We give no vouchers.")
    staff.get_by_role("button", name="Not followed", exact=True).click()
    expect(staff.locator("#timeline .msg.advice")).to_contain_text("We give no vouchers.")
    page.reload()
    expect(page.locator(".msg.advice", has_text="Your advice")).to_contain_text("We give no vouchers.")


def test_an_engagement_that_ends_closes_the_open_page_and_the_next_one(
    visit: Visit, cast: Cast, thread: Thread, guard: Guard
) -> None:
    guard.expected = {404}
    page, idle = (visit("sandro", path) for path in (f"/consult/nivalta/t/{thread.pk}/", "/consult/nivalta/"))
    engagement = cast.engagements["sandro"]
    engagement.ended_at = timezone.now()
    engagement.save(update_fields=["ended_at"])
    idle.get_by_role("link", name="Passolento").click()
    for one in (idle, page):
        expect(one.get_by_role("heading", name="Your engagement for Nivalta ended on")).to_be_visible(timeout=PATIENCE)
        expect(one.get_by_role("link", name="Write to Giulia")).to_be_visible()
        expect(one.get_by_text("come back in spring")).to_have_count(0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6000)  # longer than the pause between two questions whether anything moved
    assert asked == []
