"""Waiting spells: begun by the earliest unanswered inbound, ended once, measured by two clocks (docs/metrics.md).

The only module that writes a spell. The thread carries a copy of the open one (`waiting_since`, `due_at`), so that a
list needs no second look.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from django.db.models import QuerySet

from conversations.models import CalendarVersion, Event, Message, Spell, TargetVersion, Thread, ThreadLabel
from conversations.reports.clock import Calendar

Version = TypeVar("Version", CalendarVersion, TargetVersion)

LATE = timedelta(hours=24)
"""Found later than this after it was said: a live thread, but left out of the figures."""


class NoTarget(Exception):
    """The brand has no calendar or no target yet: `manage.py setup` makes both."""


def begin(thread: Thread, message: Message) -> Spell:
    """Opens a spell at an inbound message, with the calendar and the target in force at that moment."""
    calendar = _calendar_in_force(thread.brand_id, message.team_at)
    target = _target_in_force(thread.brand_id, message.team_at)
    last = thread.spells.order_by("-number").first()
    spell = Spell(
        thread=thread,
        brand_id=thread.brand_id,
        source_id=thread.source_id,
        number=last.number + 1 if last else 1,
        started_by=message,
        author_started_at=message.at,
        team_started_at=message.team_at,
        calendar=calendar,
        target=target,
        left_out=_left_out(thread, message),
    )
    spell.due_at = due(spell)
    spell.save(force_insert=True)
    thread.waiting_since, thread.due_at = spell.team_started_at, spell.due_at
    return spell


def _calendar_in_force(brand_id: int, at: datetime) -> CalendarVersion:
    found = _in_force(CalendarVersion.objects.filter(brand_id=brand_id), at)
    if found is None:
        raise NoTarget("This brand has no working hours yet. Make them with manage.py setup.")
    return found


def _target_in_force(brand_id: int, at: datetime) -> TargetVersion:
    found = _in_force(TargetVersion.objects.filter(brand_id=brand_id), at)
    if found is None:
        raise NoTarget("This brand has no response target yet. Make one with manage.py setup.")
    return found


def _in_force(versions: QuerySet[Version], at: datetime) -> Version | None:
    """The version that holds at `at`; before the first one, the first."""
    holding = versions.filter(valid_from__lte=at).order_by("-valid_from").first()
    return holding or versions.order_by("valid_from").first()


def _left_out(thread: Thread, message: Message) -> str:
    if thread.private:
        return Spell.LeftOut.PRIVATE
    return Spell.LeftOut.LATE_FIND if message.team_at - message.at > LATE else ""


def calendar_of(version: CalendarVersion) -> Calendar:
    """A stored version as the clock knows it."""
    return _calendar(version.zone, json.dumps(version.weekly), json.dumps(version.holidays))


@lru_cache(maxsize=256)
def _calendar(zone: str, weekly: str, holidays: str) -> Calendar:
    """Kept by what it says: a calendar remembers the sums of its years."""
    return Calendar(
        zone=zone,
        weekly={int(day): [(start, end) for start, end in spans] for day, spans in json.loads(weekly).items()},
        holidays={date.fromisoformat(day) for day in json.loads(holidays)},
    )


def due(spell: Spell) -> datetime:
    """When an answer is due: the target that applies, in business seconds from the start of the spell."""
    labels = ThreadLabel.objects.filter(thread_id=spell.thread_id).values_list("label_id", flat=True)
    by_label = [spell.target.by_label[str(label)] for label in labels if str(label) in spell.target.by_label]
    seconds = min(by_label) if by_label else spell.target.seconds
    return calendar_of(spell.calendar).add_business_seconds(spell.team_started_at, seconds)


def open_spell(thread: Thread) -> Spell | None:
    if thread.waiting_since is None:
        return None
    return thread.spells.select_related("calendar", "target").filter(outcome=Spell.Outcome.OPEN).first()


def recompute_due(thread: Thread, person_id: int | None, now: datetime) -> None:
    """After a change of labels: the due time moves, from the same start, with an event that says so."""
    spell = open_spell(thread)
    if spell is None or (new := due(spell)) == spell.due_at:
        return
    Event.objects.create(
        thread=thread,
        at=now,
        person_id=person_id,
        kind="due_moved",
        data={"from": spell.due_at.isoformat(), "to": new.isoformat()},
    )
    spell.due_at = thread.due_at = new
    spell.save(update_fields=["due_at"])


def end(
    thread: Thread, outcome: str, at: datetime, *, answered_by: Message | None = None, reason: str = ""
) -> Spell | None:
    """Ends the open spell, if there is one, and measures it by both clocks. `at`: when the network accepted the reply
    (our clock), the network's own time for a reply given there, or the moment of a decision."""
    spell = open_spell(thread)
    if spell is None:
        return None
    at = max(at, spell.author_started_at)
    spell.outcome, spell.ended_at, spell.answered_by, spell.reason = outcome, at, answered_by, reason
    measure(spell)
    spell.first_decided_at = spell.first_decided_at or at
    spell.save()
    thread.waiting_since = thread.due_at = None
    return spell


def answered_earlier(thread: Thread, message: Message) -> None:
    """An answer found late may be older than the one that ended a spell: then that spell ended with it, and what they
    said in between waited for the answer known so far."""
    answered = thread.spells.filter(outcome=Spell.Outcome.ANSWERED, author_started_at__lte=message.at)
    spell = answered.select_related("calendar", "target", "answered_by").filter(ended_at__gt=message.at).first()
    if spell is None:
        return
    known_end, known_answer = spell.ended_at, spell.answered_by
    assert known_end is not None
    spell.ended_at, spell.answered_by = message.at, message
    measure(spell)
    spell.save()
    inbound = thread.messages.filter(direction=Message.Direction.INBOUND, removed_at=None)
    between = inbound.filter(at__gt=message.at, at__lte=known_end).order_by("at", "pk").first()
    if between is not None and thread.waiting_since is None:
        begin(thread, between)
        end(thread, Spell.Outcome.ANSWERED, known_end, answered_by=known_answer)


def measure(spell: Spell) -> None:
    """The four figures of an ended spell. A reply before we even discovered the message costs the team nothing."""
    assert spell.ended_at is not None
    calendar = calendar_of(spell.calendar)
    for clock, start in (("team", spell.team_started_at), ("author", spell.author_started_at)):
        stop = max(start, spell.ended_at)
        setattr(spell, f"{clock}_seconds", (stop - start).total_seconds())
        setattr(spell, f"{clock}_business_seconds", calendar.business_seconds(start, stop))


def resume(thread: Thread) -> None:
    """Undo, or reopening by hand: the last spell, if a person ended it and no answer came since, goes on as if it never
    ended."""
    spell = thread.spells.select_related("calendar", "target").order_by("-number").first()
    if spell is None or spell.outcome not in (Spell.Outcome.NO_REPLY_NEEDED, Spell.Outcome.SPAM):
        return
    answers = thread.messages.filter(direction=Message.Direction.OUTBOUND, removed_at=None)
    if answers.filter(at__gte=spell.author_started_at).exists():
        return
    spell.due_at = due(spell)  # labels may have changed meanwhile
    Spell.objects.filter(pk=spell.pk).update(
        outcome=Spell.Outcome.OPEN,
        due_at=spell.due_at,
        reason="",
        ended_at=None,
        team_seconds=None,
        team_business_seconds=None,
        author_seconds=None,
        author_business_seconds=None,
    )
    thread.waiting_since, thread.due_at = spell.team_started_at, spell.due_at


def decided(thread: Thread, now: datetime) -> None:
    """The first human decision on a spell ends its triage."""
    if thread.waiting_since is not None:
        thread.spells.filter(outcome=Spell.Outcome.OPEN, first_decided_at=None).update(first_decided_at=now)
