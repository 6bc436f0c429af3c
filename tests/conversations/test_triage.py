"""Moves of a thread: one of two colleagues wins and the other is told; undo gives back what was, and hides nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from accounts.binding import bound
from accounts.models import AuditEntry, Person, Staff
from conversations import lifecycle, triage
from conversations.lifecycle import NotPossible, Stale
from conversations.models import Label, Spell, TargetVersion, Thread
from listening.models import Source
from listening.signals import mentions_arrived
from tests.cast import Cast, account_of, hear, item, source_of

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The told time alone counts."""
    monkeypatch.setattr(mentions_arrived, "receivers", [])


@pytest.fixture
def network(cast: Cast) -> Source:
    account = account_of(cast.nivalta, "https://social.example")
    return source_of(cast.nivalta, "mastodon", address="#boots", base_url=account.base_url, account=account)


@pytest.fixture
def thread(network: Source) -> Thread:
    hear(network, item("1", "nivalta", published_at=NOW), now=NOW)
    return Thread.objects.get()


@pytest.fixture
def marta(cast: Cast) -> Person:
    return cast.marta


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def by(person: Person, move: Callable[..., Any], *given: Any) -> Any:
    with bound("staff", person.pk):
        return move(*given)


def speaks_again(network: Source, minutes: int) -> None:
    said = item(f"again {minutes}", "nivalta", published_at=at(minutes), conversation_key="1")
    hear(network, said, now=at(minutes))


def at_once(*works: Callable[[], Any]) -> list[str]:
    """What each came to, begun at the same moment on connections of their own."""
    start, ends = threading.Barrier(len(works)), []

    def run(work: Callable[[], Any]) -> None:
        start.wait()
        try:
            work()
            ends.append("won")
        except (Stale, NotPossible) as told:
            ends.append(type(told).__name__)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sorted(ends)


# ── two at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_two_who_take_a_thread_at_once_one_is_told(cast: Cast, thread: Thread) -> None:
    def take(person: Person) -> Callable[[], Any]:
        mine = Thread.objects.get()
        return lambda: by(person, triage.assign, mine, Staff.objects.get(pk=person.pk), person, at(1))

    assert at_once(take(cast.marta), take(cast.teo)) == ["Stale", "won"]
    assert Thread.objects.get().events.filter(kind="assigned").count() == 1


def test_of_two_who_close_a_thread_at_once_one_is_told(cast: Cast, thread: Thread) -> None:
    closing = [
        lambda who=who: by(who, lifecycle.close, thread, "no_reply", who, at(1)) for who in (cast.marta, cast.teo)
    ]
    assert at_once(*closing) == ["Stale", "won"]
    assert AuditEntry.objects.filter(action="thread.closed").count() == 1


def test_a_thread_goes_to_a_colleague_of_its_brand_only(cast: Cast, thread: Thread) -> None:
    with pytest.raises(NotPossible):
        by(cast.marta, triage.assign, thread, Staff.objects.get(pk=cast.ivo.pk), cast.marta, at(1))


# ── closing, snoozing, undoing ──────────────────────────────────────────────────────────────────────────────────────


def test_silence_is_a_decision_with_a_reason(marta: Person, thread: Thread) -> None:
    for reason in ("", "answered", "history"):
        with pytest.raises(NotPossible):
            by(marta, lifecycle.close, thread, reason, marta, at(1))
    by(marta, lifecycle.close, thread, "spam", marta, at(1))
    spell = Spell.objects.get()
    assert (spell.outcome, spell.reason, spell.ended_at) == ("spam", "spam", at(1))


def test_undo_resumes_the_same_spell(marta: Person, thread: Thread) -> None:
    before = Spell.objects.values().get()
    event = by(marta, lifecycle.close, thread, "no_reply", marta, at(1))
    assert Thread.objects.get().waiting_since is None
    by(marta, lifecycle.undo, event, marta, at(2))
    assert Spell.objects.values().get() == before | {"first_decided_at": at(1)}
    thread.refresh_from_db()
    assert (thread.state, thread.waiting_since, thread.due_at) == ("open", NOW, before["due_at"])


def test_undo_never_puts_out_of_sight_what_was_said_meanwhile(marta: Person, thread: Thread, network: Source) -> None:
    by(marta, lifecycle.close, thread, "no_reply", marta, at(1))
    event = by(marta, lifecycle.reopen, thread, marta, at(2))
    speaks_again(network, 3)
    with pytest.raises(Stale):
        by(marta, lifecycle.undo, event, marta, at(4))
    assert Thread.objects.get().state == "open"


def test_undo_is_ones_own_and_last(cast: Cast, thread: Thread) -> None:
    first = by(cast.marta, lifecycle.snooze, thread, at(99), cast.marta, at(1))
    with pytest.raises(Stale):
        by(cast.teo, lifecycle.undo, first, cast.teo, at(2))
    by(cast.teo, lifecycle.reopen, thread, cast.teo, at(3))
    with pytest.raises(Stale):
        by(cast.marta, lifecycle.undo, first, cast.marta, at(4))


def test_snoozing_stops_no_clock_and_ends_by_itself(marta: Person, thread: Thread) -> None:
    by(marta, lifecycle.snooze, thread, at(60), marta, at(1))
    assert Spell.objects.get().outcome == "open"
    for minute, awake in ((59, 0), (60, 1), (61, 0)):
        with bound("poller"):
            assert lifecycle.wake_snoozed(at(minute)) == awake
    thread.refresh_from_db()
    assert (thread.state, thread.waiting_since) == ("open", NOW)
    with pytest.raises(NotPossible):
        by(marta, lifecycle.snooze, thread, at(1), marta, at(2))


def test_reopening_resumes_no_spell_that_was_answered_meanwhile(marta: Person, thread: Thread, network: Source) -> None:
    by(marta, lifecycle.close, thread, "no_reply", marta, at(1))
    hear(network, item("2", "there", ours=True, in_reply_to="1", conversation_key="1", published_at=at(5)), now=at(6))
    by(marta, lifecycle.reopen, thread, marta, at(7))
    assert (Thread.objects.get().waiting_since, Spell.objects.get().outcome) == (None, "no_reply")


# ── labels and due times ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_label_moves_the_due_time_from_the_same_start(cast: Cast, marta: Person, network: Source) -> None:
    complaint = Label.objects.get(brand=cast.nivalta)
    TargetVersion.objects.create(
        brand=cast.nivalta, seconds=5400, by_label={str(complaint.pk): 1800}, valid_from=NOW - timedelta(days=1)
    )
    hear(network, item("1", "nivalta", published_at=NOW), now=NOW)
    thread = Thread.objects.get()
    assert thread.due_at == at(90)
    event = by(marta, triage.label, thread, [complaint], marta, at(10))
    thread.refresh_from_db()
    assert (thread.due_at, Spell.objects.get().due_at) == (at(30), at(30))
    assert thread.events.filter(kind="due_moved").count() == 1
    by(marta, triage.undo, event, marta, at(11))
    assert Thread.objects.get().due_at == at(90)
    assert by(marta, triage.label, thread, [], marta, at(12)) is None
    with pytest.raises(NotPossible):
        by(marta, triage.label, thread, list(Label.objects.filter(brand=cast.brontola)), marta, at(12))


def test_a_new_target_is_for_new_spells(cast: Cast, thread: Thread, network: Source) -> None:
    due = thread.due_at
    TargetVersion.objects.create(brand=cast.nivalta, seconds=60, valid_from=at(1))
    other = item("2", "nivalta", author="bruno", published_at=at(2))
    hear(network, other, now=at(2))
    assert Thread.objects.get(pk=thread.pk).due_at == due
    assert Thread.objects.exclude(pk=thread.pk).get().due_at == at(3)
