"""Decisions about a thread: owner, labels, snooze, close, reopen, undo. Each view makes one call into the rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.access import brand_for
from accounts.doors import whole
from accounts.models import Brand, Person
from conversations import lifecycle, queues, triage
from conversations.access import colleague_for, event_for, label_for, thread_for
from conversations.lifecycle import NotPossible, Stale
from conversations.models import Event, Thread
from conversations.views.inbox import show

Move = Callable[[Brand, Thread, Person, datetime], Event | None]


def _make(request: HttpRequest, slug: str, queue: str, pk: int, move: Move, *, leave: bool = False) -> HttpResponse:
    """Makes a move and leads back to the conversation, or on to the next; what cannot be done is said in place."""
    person: Person = request.person  # type: ignore[attr-defined]
    now = timezone.now()
    brand = brand_for(person, slug)
    thread = thread_for(brand, pk)
    following = queues.next_in_queue(thread, person, queue) if leave and queue in queues.QUEUES else None
    try:
        event = move(brand, thread, person, now)
    except Stale:
        return show(
            request, slug, queue, pk, status=409, failed=_("A colleague was faster. This is how it stands now.")
        )
    except NotPossible as refusal:
        return show(request, slug, queue, pk, status=422, failed=_(str(refusal)))
    done = f"?done={event.pk}" if event else ""
    if leave and following is None:
        return HttpResponseRedirect(reverse("inbox", args=[slug, queue]) + done, status=303)
    return HttpResponseRedirect(reverse("thread", args=[slug, queue, following if leave else pk]) + done, status=303)


def assign(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """owner=<staff id>, or empty: back to triage."""

    def move(brand: Brand, thread: Thread, person: Person, now: datetime) -> Event:
        chosen = request.POST.get("owner", "")
        return triage.assign(thread, colleague_for(brand, whole(chosen)) if chosen else None, person, now)

    return _make(request, brand, queue, pk, move)


def label(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """label=<id> on=1|0."""

    def move(brand: Brand, thread: Thread, person: Person, now: datetime) -> Event | None:
        chosen = request.POST.get("label", "")
        if not chosen:
            raise NotPossible("Choose a label.")
        one = label_for(brand, whole(chosen))
        others = list(thread.labels.exclude(pk=one.pk))
        return triage.label(thread, [*others, one] if request.POST.get("on") == "1" else others, person, now)

    return _make(request, brand, queue, pk, move)


def snooze(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """until=evening|tomorrow|monday|week, or at=<local date and time>."""

    def move(brand: Brand, thread: Thread, person: Person, now: datetime) -> Event:
        until = snoozed_until(request.POST.get("until", ""), request.POST.get("at", ""), now)
        if until is None:
            raise NotPossible("Choose until when.")
        return lifecycle.snooze(thread, until, person, now)

    return _make(request, brand, queue, pk, move, leave=True)


def snoozed_until(choice: str, at: str, now: datetime) -> datetime | None:
    """A moment in the reader's zone: this evening at 18, tomorrow, next Monday or in a week at 9, or one's own."""
    local = timezone.localtime(now)
    if at:
        try:
            parsed = parse_datetime(at)
        except ValueError:
            return None
        return timezone.make_aware(parsed) if parsed and timezone.is_naive(parsed) else parsed
    days = {"evening": 0, "tomorrow": 1, "monday": 7 - local.weekday(), "week": 7}.get(choice)
    if days is None:
        return None
    moment = (local + timedelta(days=days)).replace(
        hour=18 if choice == "evening" else 9, minute=0, second=0, microsecond=0
    )
    return moment if moment > local else moment + timedelta(days=1)


def close(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """reason=<Thread.EndReason>; goes on to the next conversation of the queue."""

    def move(brand: Brand, thread: Thread, person: Person, now: datetime) -> Event:
        reason = request.POST.get("reason", "")
        if reason and reason not in Thread.EndReason.values:
            raise NotPossible("Somebody waits for an answer here: say why there will be none.")
        return lifecycle.close(thread, reason, person, now)

    return _make(request, brand, queue, pk, move, leave=True)


def reopen(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    return _make(request, brand, queue, pk, lambda b, thread, person, now: lifecycle.reopen(thread, person, now))


def undo(request: HttpRequest, brand: str, queue: str, pk: int, event_id: int) -> HttpResponse:
    """Takes one's own last move back."""
    return _make(
        request, brand, queue, pk, lambda b, thread, person, now: triage.undo(event_for(thread, event_id), person, now)
    )
