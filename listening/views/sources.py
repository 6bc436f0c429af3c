"""Where the brand listens, and how each place is.

The frame of the page (navigation, counts) belongs to conversations, which listening does not know: config/urls.py hands
it in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.access import brand_for
from accounts.authority import Can, allows
from accounts.models import Brand
from listening import health
from listening.access import source_for, sources_of
from listening.models import Mention, Source

Frame = Callable[[HttpRequest, Brand, str, datetime], dict[str, Any]]
LAST = 20
"""Fetches and set-aside items shown."""


def sources(request: HttpRequest, brand: str, *, frame: Frame) -> HttpResponse:
    """All places of a brand, with their health, and its topics."""
    now = timezone.now()
    found = brand_for(request.person, brand)  # type: ignore[attr-defined]
    context = frame(request, found, "sources", now) | {
        "sources": _with_health(list(sources_of(found)), request, now),
        "topics": list(found.topics.filter(active=True)),
        "may_edit": allows(request.person, Can.EDIT_LISTENING),  # type: ignore[attr-defined]
    }
    return render(request, "listening/sources.html", context)


def source(request: HttpRequest, brand: str, pk: int, *, frame: Frame) -> HttpResponse:
    """One place: last success, last error in words, next poll, the last fetches, what was set aside."""
    now = timezone.now()
    found = brand_for(request.person, brand)  # type: ignore[attr-defined]
    one = source_for(found, pk)
    context = frame(request, found, "sources", now) | {
        "source": _with_health([one], request, now)[0],
        "fetches": list(one.fetches.order_by("-at")[:LAST]),
        "set_aside": list(one.set_aside.order_by("-at")[:LAST]),
        "mentions_30": Mention.objects.filter(source=one, created_at__gte=now - timedelta(days=30)).count(),
    }
    return render(request, "listening/source.html", context)


def _with_health(found: list[Source], request: HttpRequest, now: datetime) -> list[Source]:
    zone = ZoneInfo(request.person.zone)  # type: ignore[attr-defined]
    known = health.of(found, zone, now)
    for one in found:
        state = known[one.pk]
        one.health, one.series, one.days, one.today = state.word, state.series, state.days, state.today  # type: ignore[attr-defined]
    return found
