"""The rules of the outbox: the moves, what staff may do, what holds a reply back, what settles an unknown one.

The network is La Piazzetta over real HTTP; time is told, or moved on in the rows.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.authority import NotAllowed
from accounts.binding import bound
from accounts.models import AuditEntry, Person
from conversations import intake, outbox
from conversations.models import Message, Reply, Spell, Thread
from conversations.outbox import Refusal, StaleReply
from listening import polling, voice
from listening.models import Account, Item, Source
from tests.cast import Cast, account_of, as_staff, source_of, thread_of

pytestmark = pytest.mark.django_db(transaction=True)

Sql = Callable[..., list[tuple[Any, ...]]]


# ── a desk in front of the square ───────────────────────────────────────────────────────────────────────────────────


class Desk:
    """Marta's desk: what she does is one request, and time passes when she is told."""

    def __init__(self, cast: Cast, sandbox: Any) -> None:
        self.cast, self.sandbox = cast, sandbox
        identity = voice.identify("mastodon", sandbox.url, "nivalta-demo-token")
        self.account = account_of(
            cast.nivalta,
            sandbox.url,
            "nivalta-demo-token",
            identity.handle,
            remote_id=identity.remote_id,
            facts=identity.facts,
        )
        self.mentions = self.listen("mentions", own_place=True)

    def listen(self, address: str, **given: Any) -> Source:
        source = source_of(
            self.cast.nivalta, "mastodon", address=address, base_url=self.sandbox.url, account=self.account, **given
        )
        self.poll(source)
        return source

    def poll(self, source: Source) -> None:
        Source.objects.filter(pk=source.pk).update(next_poll_at=timezone.now())
        list(polling.poll(polling.claim(1, only=[source.pk])))

    def asked(self, text: str = "@nivalta the sole came off", to: str | None = None) -> Thread:
        """Gemma says something, and it arrives."""
        said = self.sandbox.say("gemma", text, to)
        self.poll(self.mentions)
        return Thread.objects.get(messages__item__remote__id=str(said.id))

    def heard_through_context(self, thread: Thread) -> None:
        """A poll of the conversation finds what is in it, our own words too."""
        parent = outbox._last_inbound(thread).item
        assert parent is not None
        self.poll(self.listen(f"context:{parent.remote['id']}", own_place=True))

    def submit(self, thread: Thread, text: str = "Send us the number.", who: Person | None = None, **how: Any) -> Reply:
        who = who or self.cast.marta
        thread.refresh_from_db()
        with as_staff(who):
            return outbox.submit(
                thread,
                who,
                text,
                how.get("version", thread.version),
                how.get("token") or uuid.uuid4(),
                timezone.now(),
                how.get("account"),
            )

    def does(self, move: Callable[..., Reply], reply: Reply, *given: Any, who: Person | None = None) -> Reply:
        who = who or self.cast.marta
        with as_staff(who):
            result = move(reply, who, *given, timezone.now())
        reply.refresh_from_db()
        return result

    def run(self, reply: Reply, times: int = 1) -> str:
        """The waits are over, as often as told: the sender does what is due."""
        for _ in range(times):
            hurry(reply)
            outbox.drain()
        reply.refresh_from_db()
        return reply.state

    @property
    def out(self) -> list[dict[str, Any]]:
        return list(self.sandbox.published())


def hurry(reply: Reply, **values: Any) -> None:
    """Whatever the reply waits for has been waited for."""
    with bound("sender"):
        Reply.objects.filter(pk=reply.pk).update(not_before=timezone.now() - timedelta(hours=1), **values)


@pytest.fixture
def desk(cast: Cast, sandbox: Any, settings: Any) -> Desk:
    settings.UNDO_SECONDS = 0
    return Desk(cast, sandbox)


@pytest.fixture
def keyless(desk: Desk) -> Desk:
    desk.sandbox.store.keys = False
    desk.account.facts |= {"keys": "ignored"}
    desk.account.save()
    return desk


def spell_of(thread: Thread) -> Spell:
    return Spell.objects.get(thread=thread)


@contextmanager
def refused(words: str, kind: type[Exception] = Refusal) -> Iterator[None]:
    with pytest.raises(kind, match=words):
        yield


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_python_and_the_database_know_the_same_moves(sql: Sql) -> None:
    for before, after in itertools.product(Reply.State.values, repeat=2):
        ((mover,),) = sql("SELECT ascolto_reply_move(%s, %s)", before, after)
        assert mover == outbox.MOVES.get((before, after)), (before, after)


def test_what_may_not_move_does_not(desk: Desk) -> None:
    reply = desk.submit(desk.asked())
    assert desk.run(reply) == "sent"
    for move in (outbox.take_back, outbox.release, outbox.cancel):
        with pytest.raises(Refusal):
            desk.does(move, reply)
    with pytest.raises(Refusal):
        desk.does(lambda r, who, now: outbox.decide(r, who, True, "https://x.example/1", now), reply)
    assert len(desk.out) == 1


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_is_one_for_each_author_and_changes(desk: Desk) -> None:
    thread = desk.asked()
    for who, text in ((desk.cast.marta, "One"), (desk.cast.marta, "Two"), (desk.cast.teo, "Mine")):
        with as_staff(who):
            outbox.save_draft(thread, who, text, timezone.now())
    assert sorted(thread.replies.values_list("text", "state")) == [("Mine", "draft"), ("Two", "draft")]


def test_a_draft_that_is_kept_too_late_makes_no_second_one(desk: Desk) -> None:
    thread = desk.asked()
    reply = desk.submit(thread, "Hello")
    with as_staff(desk.cast.marta):
        assert outbox.save_draft(thread, desk.cast.marta, "Hello", timezone.now()) == reply
    assert thread.replies.count() == 1


@pytest.mark.parametrize(
    ("text", "words"), [("", "Write something"), (" \n ", "Write something"), ("x" * 501, "too long")]
)
def test_a_reply_that_the_network_would_not_take_stays_a_draft(desk: Desk, text: str, words: str) -> None:
    thread = desk.asked()
    with as_staff(desk.cast.marta), refused(words):
        outbox.submit(thread, desk.cast.marta, text, thread.version, uuid.uuid4(), timezone.now())
    assert list(thread.replies.values_list("state", "text")) == [("draft", text)]


def test_the_same_form_twice_is_one_reply(desk: Desk) -> None:
    thread, token = desk.asked(), uuid.uuid4()
    first = desk.submit(thread, token=token)
    assert desk.submit(thread, token=token) == first
    assert desk.run(first) == "sent"
    assert desk.submit(thread, token=token, version=1) == first
    assert len(desk.out) == 1


def test_a_double_click_at_the_same_moment_is_one_reply(desk: Desk) -> None:
    thread, token, made = desk.asked(), uuid.uuid4(), []

    def click() -> None:
        try:
            made.append(desk.submit(thread, token=token, version=thread.version).pk)
        finally:
            connection.close()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert len(made) == 4
    assert len(set(made)) == 1
    assert thread.replies.count() == 1


def test_a_form_of_another_conversation_or_one_given_up_sends_nothing(desk: Desk) -> None:
    token = uuid.uuid4()
    reply = desk.submit(desk.asked(), token=token)
    with refused("used up"):
        desk.submit(desk.asked("@nivalta and another thing"), token=token)
    desk.does(outbox.cancel, reply)
    with refused("used up"):
        desk.submit(reply.thread, token=token)


def test_two_tabs_two_colleagues_one_reply(desk: Desk) -> None:
    thread = desk.asked()
    reply = desk.submit(thread)
    with refused("just leaving", StaleReply):
        desk.submit(thread, "From the other tab")
    with refused("just leaving", StaleReply):
        desk.submit(thread, "From Teo", desk.cast.teo)
    assert desk.run(reply) == "sent"
    assert len(desk.out) == 1


def test_what_was_said_meanwhile_is_read_first(desk: Desk) -> None:
    thread = desk.asked()
    seen = thread.version
    root = outbox._last_inbound(thread).item
    assert root is not None
    desk.asked("@nivalta forget it, found the receipt", root.remote["id"])
    with as_staff(desk.cast.marta), refused("Something new", StaleReply):
        outbox.submit(thread, desk.cast.marta, "Have you got it?", seen, uuid.uuid4(), timezone.now())
    assert thread.replies.get().state == "draft"


def test_nothing_is_left_to_answer(desk: Desk) -> None:
    thread = desk.asked()
    Message.objects.filter(thread=thread).update(removed_at=timezone.now())
    with refused("gone"):
        desk.submit(thread)


def test_who_may_not_reply_does_not(desk: Desk) -> None:
    thread = desk.asked()
    with pytest.raises(NotAllowed):
        desk.submit(thread, who=desk.cast.sandro)


# ── before it leaves ────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_waits_for_the_undo_and_comes_back_with_its_words(desk: Desk, settings: Any) -> None:
    settings.UNDO_SECONDS = 20
    reply = desk.submit(desk.asked(), "Too quick")
    assert outbox.drain() == 0
    draft = desk.does(outbox.take_back, reply)
    assert (draft.pk, draft.state, draft.text, draft.payload) == (reply.pk, "draft", "Too quick", None)
    again = desk.submit(reply.thread, "Better")
    assert (again.pk, again.key != reply.key) == (reply.pk, True)
    assert desk.run(again) == "sent"
    assert [post["text"] for post in desk.out] == ["@gemma Better"]


def test_taking_back_loses_no_words(desk: Desk) -> None:
    reply = desk.submit(desk.asked(), "What I sent")
    with as_staff(desk.cast.marta):
        outbox.save_draft(reply.thread, desk.cast.marta, "What I began since", timezone.now())
    assert desk.does(outbox.take_back, reply).text == "What I sent\n\nWhat I began since"
    assert sorted(reply.thread.replies.values_list("state", flat=True)) == ["cancelled", "draft"]


def test_given_up_never_leaves(desk: Desk) -> None:
    reply = desk.submit(desk.asked())
    desk.does(outbox.cancel, reply)
    assert desk.run(reply) == "cancelled"
    assert desk.out == []


def test_an_author_who_left_is_silent_and_a_colleague_takes_over(desk: Desk) -> None:
    reply = desk.submit(desk.asked(), "Marta's words")
    Person.objects.filter(pk=desk.cast.marta.pk).update(active=False)
    assert desk.run(reply) == "held"
    assert "no longer reply" in reply.reason
    desk.does(outbox.release, reply, who=desk.cast.teo)
    assert desk.run(reply) == "held"
    draft = desk.does(outbox.take_back, reply, who=desk.cast.teo)
    assert (draft.author_id, draft.text, reply.state) == (desk.cast.teo.pk, "Marta's words", "cancelled")
    assert desk.run(desk.submit(reply.thread, draft.text, desk.cast.teo)) == "sent"


def test_a_paused_account_is_silent(desk: Desk) -> None:
    reply = desk.submit(desk.asked())
    Account.objects.update(state=Account.State.PAUSED)
    assert desk.run(reply) == "held"
    Account.objects.update(state=Account.State.ACTIVE)
    desk.does(outbox.release, reply)
    assert desk.run(reply) == "sent"


def test_something_new_holds_it_and_a_person_releases_it(desk: Desk) -> None:
    thread = desk.asked()
    reply = desk.submit(thread)
    root = outbox._last_inbound(thread).item
    assert root is not None
    desk.asked("@nivalta wait!", root.remote["id"])
    assert desk.run(reply) == "held"
    assert desk.out == []
    desk.does(outbox.release, reply)
    assert desk.run(reply) == "sent"


def test_one_account_speaks_one_message_at_a_time(desk: Desk) -> None:
    first, second = desk.submit(desk.asked()), desk.submit(desk.asked("@nivalta and this?"))
    hurry(first)
    assert outbox.claim() == first
    hurry(second)
    assert outbox.claim() is None


# ── the outcome ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_move_is_in_the_audit_with_its_name(desk: Desk) -> None:
    desk.sandbox.fault({"what": "drop", "published": True})
    reply = desk.submit(desk.asked())
    assert desk.run(reply, 2) == "sent"
    trail = AuditEntry.objects.filter(object_type="reply", object_id=reply.pk).order_by("id")
    assert [(entry.action, entry.meta["before"], entry.actor_id) for entry in trail] == [
        ("reply.queued", "draft", desk.cast.marta.pk),
        ("reply.sending", "queued", None),
        ("reply.uncertain", "sending", None),
        ("reply.sent", "uncertain", None),
    ]


@pytest.mark.parametrize("fault", ["timeout", "drop", "half", "empty", "html", "lag"])
def test_with_keys_an_unknown_outcome_ends_as_sent_once(desk: Desk, fault: str) -> None:
    for published in (True, False):
        desk.sandbox.fault({"what": fault, "published": published, "seconds": 1})
        reply = desk.submit(desk.asked(f"@nivalta {fault} {published}?"), f"{fault} {published}")
        assert desk.run(reply, 2) == "sent"
        assert sum(fault in post["text"] and str(published) in post["text"] for post in desk.out) == 1


def test_without_keys_it_is_found_or_a_person_is_asked(keyless: Desk) -> None:
    keyless.sandbox.fault({"what": "drop", "published": True}, {"what": "drop", "published": False})
    found, unseen = keyless.submit(keyless.asked()), keyless.submit(keyless.asked("@nivalta and this?"), "Yes.")
    assert keyless.run(found, 2) == "sent"
    assert keyless.run(unseen, 1 + len(outbox.LOOKS)) == "needs_person"
    assert len(keyless.out) == 1
    keyless.does(lambda r, who, now: outbox.decide(r, who, False, "", now), unseen)
    assert keyless.run(unseen) == "sent"
    assert len(keyless.out) == 2


def test_a_key_that_has_died_is_not_used_again(desk: Desk) -> None:
    desk.sandbox.fault({"what": "drop", "published": False})
    reply = desk.submit(desk.asked())
    assert desk.run(reply) == "uncertain"
    hurry(reply, first_attempt_at=timezone.now() - timedelta(seconds=3001))
    assert desk.run(reply) == "uncertain"
    assert desk.run(reply, len(outbox.LOOKS) - 1) == "needs_person"
    assert desk.out == []


def test_a_later_refusal_proves_nothing_about_an_attempt_that_may_be_out(desk: Desk) -> None:
    """The second attempt is turned away for an hour: by then the key has died, so it must not simply wait."""
    desk.sandbox.fault({"what": "drop", "published": False}, {"what": "status", "status": 429, "published": False})
    reply = desk.submit(desk.asked())
    assert desk.run(reply, 2) == "uncertain"
    assert desk.run(reply) == "sent"


@pytest.mark.parametrize(("status", "state"), [(400, "failed"), (401, "held"), (403, "failed"), (422, "failed")])
def test_a_refusal_is_believed_after_a_look(desk: Desk, status: int, state: str) -> None:
    desk.sandbox.fault({"what": "status", "status": status, "published": True})
    assert desk.run(desk.submit(desk.asked(), "Out all the same")) == "sent"
    Account.objects.update(state=Account.State.ACTIVE)
    desk.sandbox.fault({"what": "status", "status": status, "published": False})
    reply = desk.submit(desk.asked("@nivalta and this?"), "Never out")
    assert desk.run(reply) == state
    assert len(desk.out) == 1
    Account.objects.update(state=Account.State.ACTIVE)
    desk.does(outbox.release, reply)
    assert desk.run(reply) == "sent"


def test_trying_again_looks_first(keyless: Desk) -> None:
    """A refusal that hid a success, in a list that lagged: the person presses 'try again' and nothing is doubled."""
    reply = keyless.submit(keyless.asked())
    keyless.sandbox.fault({"what": "status", "status": 422, "published": False})
    assert keyless.run(reply) == "failed"
    parent = reply.parent.item
    assert parent is not None
    keyless.sandbox.say("nivalta", "@gemma Send us the number.", parent.remote["id"])
    keyless.does(outbox.release, reply)
    assert keyless.run(reply) == "sent"
    assert len(keyless.out) == 1


def test_the_parent_went_away_before_it_left(keyless: Desk) -> None:
    reply = keyless.submit(keyless.asked(), "Too late")
    parent = reply.parent.item
    assert parent is not None
    keyless.sandbox.store.delete(int(parent.remote["id"]))
    assert keyless.run(reply) == "failed"
    assert (reply.text, keyless.out) == ("Too late", [])


def test_a_throttled_reply_is_tried_five_times(desk: Desk) -> None:
    desk.sandbox.fault({"what": "status", "status": 429, "published": False, "times": 9})
    reply = desk.submit(desk.asked())
    assert desk.run(reply, 4) == "queued"
    assert desk.run(reply) == "failed"
    assert desk.out == []


# ── what is ours, and what only looks like it ───────────────────────────────────────────────────────────────────────


def test_the_same_words_posted_by_hand_before_are_not_taken_for_ours(keyless: Desk) -> None:
    thread = keyless.asked()
    parent = outbox._last_inbound(thread).item
    assert parent is not None
    by_hand = keyless.sandbox.say("nivalta", "@gemma Send us the number.", parent.remote["id"])
    keyless.sandbox.store._change("UPDATE post SET created = created - 30 WHERE id = ?", by_hand.id)
    keyless.sandbox.fault({"what": "drop", "published": False})
    reply = keyless.submit(thread)
    assert keyless.run(reply, 2) == "needs_person"


def test_the_same_words_by_somebody_else_are_not_ours(keyless: Desk) -> None:
    thread = keyless.asked()
    parent = outbox._last_inbound(thread).item
    assert parent is not None
    keyless.sandbox.fault({"what": "drop", "published": False})
    reply = keyless.submit(thread)
    keyless.run(reply)
    keyless.sandbox.say("oreste", "@gemma Send us the number.", parent.remote["id"])
    assert keyless.run(reply, len(outbox.LOOKS)) == "needs_person"


def test_the_same_words_sent_twice_on_purpose_are_two_messages(keyless: Desk) -> None:
    thread = keyless.asked()
    first = keyless.submit(thread, "Thank you!")
    assert keyless.run(first) == "sent"
    keyless.sandbox.fault({"what": "drop", "published": False})
    second = keyless.submit(thread, "Thank you!")
    assert keyless.run(second, 1 + len(outbox.LOOKS)) == "needs_person"
    assert len(keyless.out) == 1


def test_an_answer_after_the_lease_is_recorded_as_proof(keyless: Desk) -> None:
    reply = keyless.submit(keyless.asked())
    hurry(reply)
    slow = outbox.claim()
    assert slow is not None
    hurry(reply, lease_until=timezone.now() - timedelta(seconds=1))
    other = outbox.claim()
    assert other is not None
    assert other.state == "uncertain"
    outbox._finish(slow, outbox._speak(slow))
    reply.refresh_from_db()
    assert reply.state == "sent"
    assert len(keyless.out) == 1


def test_a_proof_that_comes_when_a_person_was_asked_is_shown_and_stops_another_send(keyless: Desk) -> None:
    replies, slow = [], []
    for number in range(2):
        reply = keyless.submit(keyless.asked(f"@nivalta {number}?"), f"Number {number}")
        replies.append(reply)
        hurry(reply)
        slow.append(outbox.claim())
        hurry(reply, lease_until=timezone.now() - timedelta(seconds=1))
        assert keyless.run(reply, 1 + len(outbox.LOOKS)) == "needs_person"
    keyless.does(lambda r, who, now: outbox.decide(r, who, False, "", now), replies[1])
    for late in slow:
        assert late is not None
        outbox._finish(late, outbox._speak(late))
    for reply in replies:
        reply.refresh_from_db()
    assert [reply.state for reply in replies] == ["needs_person", "held"]
    assert all("confirmed it late" in reply.reason for reply in replies)


# ── our own words as a poll hears them ──────────────────────────────────────────────────────────────────────────────


def ours(thread: Thread) -> list[tuple[int | None, str | None]]:
    """Our messages in a thread: the reply, and the item."""
    return list(
        thread.messages.filter(direction=Message.Direction.OUTBOUND).values_list("reply_id", "item__external_id")
    )


@pytest.mark.parametrize("poll_first", [True, False])
def test_an_uncertain_reply_and_its_echo_are_one_message(desk: Desk, poll_first: bool) -> None:
    thread = desk.asked()
    desk.sandbox.fault({"what": "drop", "published": True})
    reply = desk.submit(thread)
    assert desk.run(reply) == "uncertain"
    if poll_first:
        desk.heard_through_context(thread)
        assert ours(thread) == []
    assert desk.run(reply) == "sent"
    if poll_first:
        intake.take_all(timezone.now())
    else:
        desk.heard_through_context(thread)
    assert ours(thread) == [(reply.pk, reply.remote_id)]
    spell = spell_of(thread)
    assert (spell.outcome, spell.answered_by) == ("answered", reply.message)
    assert not thread.events.filter(kind="answered_outside").exists()


@pytest.mark.parametrize("poll_first", [True, False])
def test_a_reply_that_a_person_finds_and_its_echo_are_one_message(keyless: Desk, poll_first: bool) -> None:
    """The person pastes the address of the page; the poll brings the network's own id."""
    thread = keyless.asked()
    keyless.sandbox.fault({"what": "drop", "published": True})
    reply = keyless.submit(thread)
    keyless.run(reply)
    out = Item(external_id="")
    with bound("sender"):
        current = Reply.objects.get(pk=reply.pk)
        outbox._move(current, Reply.State.NEEDS_PERSON, timezone.now(), reason="for the test")
    if poll_first:
        keyless.heard_through_context(thread)
        (echo,) = thread.messages.filter(direction=Message.Direction.OUTBOUND)
        assert echo.item is not None
        out = echo.item
    link = out.url or f"{keyless.sandbox.url}/@nivalta/{keyless.out[0]['id']}"
    keyless.does(lambda r, who, now: outbox.decide(r, who, True, link, now), reply)
    assert reply.state == "sent"
    if not poll_first:
        keyless.heard_through_context(thread)
    assert [pk for pk, _ in ours(thread)] == [reply.pk]
    assert spell_of(thread).outcome == "answered"


def test_a_link_of_another_reply_is_no_proof(keyless: Desk) -> None:
    first = keyless.submit(keyless.asked())
    keyless.run(first)
    keyless.sandbox.fault({"what": "drop", "published": False})
    second = keyless.submit(keyless.asked("@nivalta and this?"), "Yes")
    assert keyless.run(second, 1 + len(outbox.LOOKS)) == "needs_person"
    for link in (first.remote_url, "not a link"):
        with refused("Paste"):
            keyless.does(lambda r, who, now, link=link: outbox.decide(r, who, True, link, now), second)


def test_who_answers_back_before_we_know_waits_again(keyless: Desk) -> None:
    """Our words were out, unknown to us; she answered them; then they were found. Only her new words wait."""
    thread = keyless.asked()
    keyless.sandbox.fault({"what": "drop", "published": True})
    reply = keyless.submit(thread)
    keyless.run(reply)
    keyless.asked("@nivalta thanks, and where do I send it?", str(keyless.out[0]["id"]))
    assert keyless.run(reply) == "sent"
    first, second = Spell.objects.filter(thread=thread).order_by("number")
    assert (first.outcome, second.outcome) == ("answered", "open")
    assert first.ended_at is not None
    assert reply.sent_at == first.ended_at < second.author_started_at
    thread.refresh_from_db()
    assert (thread.queue, thread.last_ours) == ("triage", False)


# ── answered elsewhere ──────────────────────────────────────────────────────────────────────────────────────────────


def elsewhere(cast: Cast, thread: Thread, link: str, at: datetime) -> Reply:
    with as_staff(cast.marta):
        return outbox.answered_there(thread, cast.marta, link, "On the blog", at, timezone.now())


def test_i_answered_there_ends_the_spell_once(cast: Cast) -> None:
    thread, now = thread_of(cast.nivalta), timezone.now()
    reply = elsewhere(cast, thread, "https://blog.example/1#c2", now)
    assert elsewhere(cast, thread, "https://blog.example/1#c2", now) == reply
    assert (reply.state, reply.elsewhere, reply.account_id) == ("sent", True, None)
    assert spell_of(thread).outcome == "answered"
    assert len(ours(thread)) == 1


def test_i_answered_there_needs_a_link_and_a_past(cast: Cast) -> None:
    thread, now = thread_of(cast.nivalta), timezone.now()
    for link, at, words in (("blog", now, "link"), ("https://x.example", now + timedelta(hours=1), "future")):
        with refused(words):
            elsewhere(cast, thread, link, at)


def test_a_place_without_a_voice_takes_no_reply(cast: Cast) -> None:
    thread = thread_of(cast.nivalta)
    with as_staff(cast.marta), refused("Answer there"):
        outbox.save_draft(thread, cast.marta, "Hello", timezone.now())
