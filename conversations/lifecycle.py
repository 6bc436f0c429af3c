"""The states of a thread and the moves between them: open, snoozed, closed with a reason.

A move is a guard, one conditional update, one event, in one transaction. 'Waiting' is no state: it follows from the
spell, and no move here stops its clock but closing, which is a decision with a reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts import audit, live
from accounts.authority import Can, demand
from accounts.models import Person
from conversations import spells
from conversations.models import Event, Message, Spell, Thread

State, EndReason = Thread.State, Thread.EndReason

OUTCOMES = {
    EndReason.SPAM: Spell.Outcome.SPAM,
    EndReason.THANKS_ONLY: Spell.Outcome.NO_REPLY_NEEDED,
    EndReason.NOT_US: Spell.Outcome.NO_REPLY_NEEDED,
    EndReason.NO_REPLY: Spell.Outcome.NO_REPLY_NEEDED,
    EndReason.DUPLICATE: Spell.Outcome.NO_REPLY_NEEDED,
}
"""How an open spell ends when a person closes its thread with this reason."""


class Stale(Exception):
    """Somebody was faster: the thread is no longer what the page showed."""


class NotPossible(Exception):
    """The move makes no sense here; the words say why."""


def close(thread: Thread, reason: str, person: Person, now: datetime) -> Event:
    """Closes a thread. One that waits needs a reason for the silence; an answered one closes as answered."""
    demand(person, Can.TRIAGE)
    thread = locked(thread)
    if thread.state == State.CLOSED:
        raise Stale
    if thread.waiting_since is None:
        reason = reason or EndReason.ANSWERED
    elif reason not in OUTCOMES:
        raise NotPossible("Somebody waits for an answer here: say why there will be none.")
    before = snapshot(thread)
    if thread.waiting_since is not None:
        spells.end(thread, OUTCOMES[EndReason(reason)], now, reason=reason)
    thread.state, thread.end_reason, thread.snoozed_until = State.CLOSED, reason, None
    return moved(thread, "closed", person, now, before, reason=reason)


def snooze(thread: Thread, until: datetime, person: Person, now: datetime) -> Event:
    """Puts a thread aside until a moment. The clock of whoever waits goes on."""
    demand(person, Can.TRIAGE)
    thread = locked(thread)
    if until <= now:
        raise NotPossible("Choose a moment in the future.")
    if thread.state == State.CLOSED:
        raise NotPossible("This conversation is closed. Reopen it first.")
    before = snapshot(thread)
    thread.state, thread.snoozed_until = State.SNOOZED, until
    return moved(thread, "snoozed", person, now, before, until=until.isoformat())


def reopen(thread: Thread, person: Person, now: datetime) -> Event:
    """Opens a closed or snoozed thread by hand: a spell that a person dismissed goes on."""
    demand(person, Can.TRIAGE)
    thread = locked(thread)
    if thread.state == State.OPEN:
        raise Stale
    before = snapshot(thread)
    if thread.state == State.CLOSED:
        spells.resume(thread)
    open_again(thread)
    return moved(thread, "reopened", person, now, before)


def wake_snoozed(now: datetime) -> int:
    """Threads whose moment has come are open again; gives how many. Called by the clock."""
    with transaction.atomic():
        due = list(
            Thread.objects.select_for_update(skip_locked=True).filter(state=State.SNOOZED, snoozed_until__lte=now)[:500]
        )
        for thread in due:
            open_again(thread)
            thread.save()
            Event.objects.create(thread=thread, at=now, kind="woke")
            live.touch(thread.brand_id)
    return len(due)


def withdraw(thread: Thread, now: datetime) -> None:
    """The author deleted what waited: the spell ends as withdrawn, and the thread with it. The caller saves."""
    spells.end(thread, Spell.Outcome.WITHDRAWN, now)
    open_again(thread)
    thread.state, thread.end_reason = State.CLOSED, EndReason.WITHDRAWN
    Event.objects.create(thread=thread, at=now, kind="withdrawn")


def open_again(thread: Thread) -> None:
    """Back to open, in memory; the caller saves and says why."""
    thread.state, thread.end_reason, thread.snoozed_until, thread.history = State.OPEN, "", None, False


# ── undo ────────────────────────────────────────────────────────────────────────────────────────────────────────────

KEPT = ("state", "end_reason", "snoozed_until", "owner_id", "history")


def undo(event: Event, person: Person, now: datetime) -> Event:
    """Takes one's own last move on a thread back: it stands as before, with an event that says so. Raises `Stale` when
    something else happened since, or somebody spoke whom this would put out of sight."""
    demand(person, Can.TRIAGE)
    thread = locked(event.thread)
    later = thread.events.filter(Q(at__gt=event.at) | Q(at=event.at, pk__gt=event.pk), data__has_key="before").exists()
    if event.person_id != person.pk or "before" not in event.data or later:
        raise Stale
    spoken = thread.messages.filter(direction=Message.Direction.INBOUND, team_at__gt=event.at).exists()
    if spoken and event.data["before"]["state"] != State.OPEN:
        raise Stale
    before = snapshot(thread)
    if thread.state == State.CLOSED and event.data["before"]["state"] != State.CLOSED:
        spells.resume(thread)
    elif (
        thread.state != State.CLOSED
        and event.data["before"]["state"] == State.CLOSED
        and thread.waiting_since is not None
    ):
        reason = event.data["before"]["end_reason"]
        spells.end(thread, OUTCOMES.get(EndReason(reason), Spell.Outcome.NO_REPLY_NEEDED), now, reason=reason)
    for name, value in event.data["before"].items():
        setattr(thread, name, datetime.fromisoformat(value) if name == "snoozed_until" and value else value)
    return moved(thread, "undone", person, now, before, what=event.kind)


# ── how every move is made ──────────────────────────────────────────────────────────────────────────────────────────


def locked(thread: Thread) -> Thread:
    return Thread.objects.select_for_update().get(pk=thread.pk)


def snapshot(thread: Thread) -> dict[str, Any]:
    values = {name: getattr(thread, name) for name in KEPT}
    return values | {"snoozed_until": thread.snoozed_until.isoformat() if thread.snoozed_until else None}


def moved(thread: Thread, kind: str, person: Person, now: datetime, before: dict[str, Any], **data: Any) -> Event:
    """Writes the move, its event, its audit entry, and rings the pages."""
    spells.decided(thread, now)
    thread.save()
    event = Event.objects.create(thread=thread, at=now, person=person, kind=kind, data={"before": before, **data})
    audit.record(person.pk, f"thread.{kind}", thread, now, **{k: v for k, v in data.items() if k != "to"})
    live.touch(thread.brand_id)
    return event
