"""What every page of the team shows around its content."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import live
from accounts.access import brands_of
from accounts.doors import whole
from accounts.models import Brand, Person
from conversations import queues
from conversations.models import Event

TOAST = timedelta(seconds=10)
"""How long after a move its page still offers the undo."""


def frame(request: HttpRequest, brand: Brand, section: str, now: datetime, queue: str = "") -> dict[str, Any]:
    """Navigation, counts, stamp: the context that shell.html expects."""
    person: Person = request.person  # type: ignore[attr-defined]
    counts = queues.counts(brand, person, now)
    return {
        "brand": brand,
        "brands": brands_of(person),
        "queue": queue,
        "section": section,
        "queues": [
            {
                "key": key,
                "count": counts.totals[key] if key not in ("closed", "all") else 0,
                "hot": counts.overdue.get(key, False),
            }
            for key in queues.QUEUES
        ],
        "total": counts.totals.get(queue),
        "sources_in_trouble": counts.sources_in_trouble,
        "last_check": counts.last_check,
        "has_sources": counts.has_sources,
        "stamp": live.sign(request.session.session_key or "", brand.pk, (now + timedelta(hours=12)).timestamp()),
        "toast": None,
        "now": timezone.localtime(now),
    }


def toast_of(request: HttpRequest, brand: Brand, queue: str, now: datetime) -> dict[str, Any] | None:
    """What has just been done, out of the address it led to (`?done=<event>`), with its undo."""
    done = whole(request.GET.get("done", ""))
    if not done:
        return None
    person: Person = request.person  # type: ignore[attr-defined]
    event = Event.objects.filter(pk=done, thread__brand=brand, person=person, at__gte=now - TOAST).first()
    if event is None:
        return None
    place = [brand.slug, queue, event.thread_id, event.pk]
    return {"text": _words(event), "undo": "" if event.kind == "undone" else reverse("thread-undo", args=place)}


def _words(event: Event) -> str:
    owner = event.data.get("to")
    return {
        "assigned": _("Back to triage") if owner is None else _("Taken") if owner == event.person_id else _("Assigned"),
        "labelled": _("Labels changed"),
        "snoozed": _("Snoozed"),
        "closed": _("Closed"),
        "reopened": _("Reopened"),
        "undone": _("Undone"),
    }.get(event.kind, _("Done"))
