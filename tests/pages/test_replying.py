"""From the first key to the reply that stands on the network, and everything that may happen in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.binding import bound
from conversations import outbox
from conversations.models import Note, Reply, Spell, Thread
from listening import polling, voice
from listening.connectors.contract import Receipt, Refused, Unknown
from tests.cast import Cast, account_of, as_staff, source_of
from tests.pages.conftest import PATIENCE, Guard, Place, Visit
from tests.pages.world import claimed, say

WORDS = "Grazie! Scrivici il numero d’ordine e lo cerchiamo subito."


def write(page: Page, text: str) -> None:
    """Keys, as a person presses them: each is counted and starts the wait for the draft."""
    page.keyboard.press("r")
    page.locator("#reply-text").press_sequentially(text)


def drafts(thread: Thread) -> list[str]:
    return list(thread.replies.filter(state="draft").values_list("text", flat=True))


@pytest.mark.usefixtures("workers")
def test_a_reply_from_the_first_key_to_published_on_the_network(visit: Visit, cast: Cast, sandbox: Any) -> None:
    token = "nivalta-demo-token"
    identity = voice.identify("mastodon", sandbox.url, token)
    account = account_of(
        cast.nivalta, sandbox.url, token, identity.handle, remote_id=identity.remote_id, facts=identity.facts
    )
    address = {"address": "mentions", "base_url": sandbox.url, "account": account, "own_place": True}
    source = source_of(cast.nivalta, "mastodon", **address)
    list(polling.poll(polling.claim(1, only=[source.pk])))
    source.refresh_from_db()
    page = visit("marta", "/b/nivalta/inbox/triage/")
    page.evaluate("window.same = true")
    sandbox.say("gemma", "@nivalta la suola dei miei scarponi si è staccata")
    source.next_poll_at = timezone.now()
    source.save(update_fields=["next_poll_at"])

    row = page.locator("#list a.t")
    expect(row).to_contain_text("Gemma Larici", timeout=2 * PATIENCE)
    row.click()
    expect(page.locator("#conv-title")).to_be_focused()
    write(page, WORDS)
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    thread = Thread.objects.get()
    assert drafts(thread) == [WORDS]

    page.keyboard.press("Control+Enter")
    expect(page.locator("#timeline .msg.public")).to_contain_text("Leaving in")
    expect(page.locator("#timeline")).to_contain_text("Published", timeout=3 * PATIENCE)
    assert page.evaluate("window.same")
    expect(page.locator("#timeline .msg.public")).to_contain_text(WORDS)
    assert [post["text"] for post in sandbox.published()] == [f"@gemma {WORDS}"]
    assert Spell.objects.get().outcome == "answered"


def test_undo_send_gives_the_text_back(visit: Visit, square: Place) -> None:
    thread = square.hears("1", "Is the Nivalta shop open on Sundays?")
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    write(page, "Every Sunday, ten to six.")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("Leaving in")
    page.keyboard.press("z")
    expect(page.locator("#reply-text")).to_have_value("Every Sunday, ten to six.")
    expect(page.locator("#timeline .msg.public")).to_have_count(0)
    assert drafts(thread) == ["Every Sunday, ten to six."]


def test_a_stale_reply_is_refused_shows_what_is_new_and_keeps_the_text(
    visit: Visit, square: Place, guard: Guard
) -> None:
    guard.expected = {409}
    thread = square.hears("1", "My Nivalta boots hurt.")
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    write(page, "Which size are they?")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    square.hears("1b", "Never mind, I had the wrong socks.", conversation_key="1")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#composer [role=alert]")).to_contain_text("Something new was said while you were writing.")
    expect(page.locator("#timeline")).to_contain_text("I had the wrong socks")
    expect(page.locator("#reply-text")).to_have_value("Which size are they?")
    assert drafts(thread) == ["Which size are they?"]
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("Leaving in")


def test_what_arrives_while_writing_is_announced_and_touches_nothing(visit: Visit, square: Place) -> None:
    thread = square.hears("1", "My Nivalta boots hurt.")
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    write(page, "Which size")
    square.hears("1b", "Left one only.", conversation_key="1")
    expect(page.locator("#timeline")).to_contain_text("Left one only.")
    expect(page.locator("#news")).to_be_visible()
    page.keyboard.type(" are they?")
    expect(page.locator("#reply-text")).to_have_value("Which size are they?")
    page.locator("#news").get_by_role("button", name="Read it").click()
    expect(page.locator("#news")).to_be_hidden()
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("Leaving in")


def test_too_long_is_marked_counted_and_cannot_leave(visit: Visit, square: Place) -> None:
    thread = square.hears("1", "Tell us everything, Nivalta.")
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    taken = len("@passolento ")  # a name counts without its server
    page.locator("#reply-text").fill("a" * (500 - taken))
    expect(page.locator("#count")).to_have_text("500")
    expect(page.get_by_role("button", name="Publish")).to_be_enabled()
    page.locator("#reply-text").fill("a" * (500 - taken) + "bcd")
    expect(page.locator("#over mark")).to_have_text("bcd")
    expect(page.locator("#draft-state")).to_have_text("Too long for Mastodon: cut 3 characters")
    expect(page.get_by_role("button", name="Publish")).to_be_disabled()


def test_a_note_stays_inside_and_leaves_the_draft_alone(visit: Visit, square: Place) -> None:
    thread = square.hears("1", "Nivalta, who is in charge?")
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    write(page, "Half a thought")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator("#note-text")).to_be_focused()
    page.keyboard.type("Ask Teo first.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#timeline .msg.note")).to_contain_text("Ask Teo first.")
    expect(page.locator("#timeline .msg.note")).to_contain_text("team only")
    expect(page.locator("#note-text")).to_have_value("")
    expect(page.locator("#reply-text")).to_have_value("Half a thought")
    assert [note.text for note in Note.objects.all()] == ["Ask Teo first."]
    assert drafts(thread) == ["Half a thought"]


def test_i_answered_there(visit: Visit, blog: Place) -> None:
    thread = blog.hears("1", "We tried the Nivalta poles.")
    page = visit("marta", f"/b/nivalta/inbox/triage/t/{thread.pk}/")
    expect(page.locator("#composer")).to_contain_text("No reply can be sent from here to this place")
    expect(page.locator("#reply-text")).to_have_count(0)
    page.get_by_label("Address of your answer").fill("https://blog.example/1#comment-9")
    page.locator("#answered").get_by_role("button", name="I answered there").click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("Answered there")
    expect(page.locator("#conv-head")).to_contain_text("Answered in")
    assert Spell.objects.get().outcome == "answered"


# ── every state of a reply, in words ────────────────────────────────────────────────────────────────────────────────


def fail(reply: Reply, _: Place) -> None:
    outbox._finish(claimed(reply), Refused("The network refused it."))


def lose(reply: Reply, _: Place) -> None:
    outbox._finish(claimed(reply), Unknown("The network did not answer in time."))


def ask(reply: Reply, place: Place) -> None:
    lose(reply, place)
    with bound("sender"):
        outbox._move(outbox._reread(reply), Reply.State.NEEDS_PERSON, timezone.now(), reason=outbox.UNSEEN)


def hold(reply: Reply, place: Place) -> None:
    place.hears("later", "One more thing.", conversation_key="1")
    claimed(reply)


def publish(reply: Reply, _: Place) -> None:
    receipt = Receipt(remote_id="9", url="https://social.example/9", at=None)
    outbox._finish(claimed(reply), receipt)


STATES: dict[str, tuple[Callable[[Reply, Place], object], str, list[str]]] = {
    "queued": (lambda reply, place: None, "Leaving in", ["Undo send"]),
    "sending": (lambda reply, place: claimed(reply), "Publishing on Mastodon…", []),
    "sent": (publish, "Published", []),
    "failed": (fail, "Not published", ["Try again", "Back to draft"]),
    "uncertain": (lose, "Outcome uncertain", []),
    "needs_person": (ask, "Outcome uncertain: you decide", ["It is out", "It is not out: send it again", "Discard"]),
    "held": (hold, "Held", ["Send it now", "Back to draft", "Discard"]),
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_says_what_it_is_and_what_can_be_done(
    visit: Visit, cast: Cast, square: Place, settings: Any, state: str
) -> None:
    settings.UNDO_SECONDS = 60 if state == "queued" else 0
    thread = square.hears("1", "Does Nivalta repair tents?")
    with as_staff(cast.marta):
        reply = say(thread, cast, "Yes, we do.")
    bring, words, choices = STATES[state]
    bring(reply, square)
    reply.refresh_from_db()
    assert reply.state == state

    page = visit("marta", f"/b/nivalta/inbox/all/t/{thread.pk}/")
    entry = page.locator("#timeline .msg.public")
    expect(entry).to_contain_text(words)
    expect(entry).to_contain_text("Yes, we do.")
    expect(entry).to_contain_text("as @nivalta")
    expect(entry.get_by_role("button")).to_have_count(len(choices))
    for choice in choices:
        expect(entry.get_by_role("button", name=choice, exact=True)).to_be_visible()


def test_an_uncertain_reply_is_decided_only_after_looking(
    visit: Visit, cast: Cast, square: Place, settings: Any
) -> None:
    settings.UNDO_SECONDS = 0
    thread = square.hears("1", "Does Nivalta repair tents?")
    with as_staff(cast.marta):
        reply = say(thread, cast, "Yes, we do.")
    ask(reply, square)
    page = visit("marta", f"/b/nivalta/inbox/all/t/{thread.pk}/")
    out = page.get_by_role("button", name="It is out", exact=True)
    expect(out).to_be_disabled()
    page.context.route("https://social.example/**", lambda route: route.fulfill(body="as it stands there"))
    with page.expect_popup() as there:
        page.get_by_role("link", name="Look on Mastodon").click()
    there.value.close()
    expect(out).to_be_enabled()
    page.get_by_label("Its address, if it is out").fill("https://social.example/77")
    out.click()
    expect(page.locator("#timeline .msg.public")).to_contain_text("Published")
    reply.refresh_from_db()
    assert (reply.state, reply.remote_url) == ("sent", "https://social.example/77")


# ── a session that ends in the middle ───────────────────────────────────────────────────────────────────────────────


def test_what_was_being_written_is_there_again_after_a_log_in(visit: Visit, cast: Cast, square: Place) -> None:
    thread = square.hears("1", "Does Nivalta repair tents?")
    login = cast.marta.login
    login.set_password("una-tenda-per-due")
    login.save()
    page = visit("marta", f"/b/nivalta/inbox/all/t/{thread.pk}/")
    Session.objects.all().delete()
    write(page, "We do, send us a photo")
    expect(page.locator("#draft-state")).to_have_text("Not saved, kept on this device")
    assert drafts(thread) == []

    expect(page.get_by_role("heading", name="Log in to Ascolto")).to_be_visible(timeout=2 * PATIENCE)
    page.get_by_label("E-mail").fill("marta@example.org")
    page.get_by_label("Password").fill("una-tenda-per-due")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#reply-text")).to_have_value("We do, send us a photo")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    assert drafts(thread) == ["We do, send us a photo"]
