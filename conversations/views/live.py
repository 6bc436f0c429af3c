"""Whether anything moved, and how the machine is."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from accounts import live
from accounts.access import engaged_brands_of
from accounts.models import Person
from listening.models import Heartbeat

DEAF = timedelta(seconds=90)
LATE_SECONDS = 120.0


def moved(request: HttpRequest) -> HttpResponse:
    """Reached only when something moved, or nobody can tell (accounts.middleware.live_poll answers the rest): the page
    asks for itself again. Whose engagement has ended is told so (404)."""
    person: Person = request.person  # type: ignore[attr-defined]
    if not person.is_staff_member and not engaged_brands_of(person, timezone.now()).exists():
        raise Http404
    return HttpResponse(status=200)


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Database, Redis, heartbeats, the oldest due source, the outbox: 200 when all is well, else 503."""
    now = timezone.now()
    beats = {name: (now - at).total_seconds() for name, at in Heartbeat.objects.values_list("name", "at")}
    with connection.cursor() as cursor:
        cursor.execute("SELECT ascolto_oldest_due_seconds(), ascolto_outbox_waiting()")
        oldest, waiting = cursor.fetchone()
    fresh = {name: beats.get(name, 1e9) < DEAF.total_seconds() for name in ("poller", "sender", "beat")}
    report = {
        "database": True,
        "redis": _redis_answers(),
        "workers": fresh,
        "oldest_due_source_seconds": max(oldest or 0.0, 0.0),
        "outbox_waiting": waiting,
    }
    ready = report["redis"] and all(fresh.values()) and report["oldest_due_source_seconds"] < LATE_SECONDS
    return JsonResponse({"ready": ready} | report, status=200 if ready else 503)


def _redis_answers() -> bool:
    try:
        return bool(live.store().ping())
    except Exception:
        return False
