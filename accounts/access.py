"""The doors to what accounts keeps: objects are found through the person who asks, or not at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.http import Http404

from accounts.models import Brand, Engagement, Person


def brands_of(person: Person) -> list[Brand]:
    """The brands a colleague works for, asked once for each request. (A consultant's come from `engagements_of`.)"""
    known: list[Brand] | None = getattr(person, "known_brands", None)
    if known is None:
        known = list(Brand.objects.filter(archived_at=None, membership__staff_id=person.pk))
        person.known_brands = known  # type: ignore[attr-defined]
    return known


def brand_for(person: Person, slug: str) -> Brand:
    """Raises Http404 outside the person's sight."""
    for brand in brands_of(person):
        if brand.slug == slug:
            return brand
    raise Http404


def engagements_of(person: Person, now: datetime) -> QuerySet[Engagement]:
    """The engagements that run at `now`, with their brands."""
    return Engagement.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=now), consultants=person, starts_at__lte=now, ends_at__gt=now
    ).order_by(F("ends_at"))


def engaged_brands_of(person: Person, now: datetime) -> QuerySet[Brand]:
    """The brands that a consultant sees at `now`."""
    return Brand.objects.filter(engagements__in=engagements_of(person, now), archived_at=None).distinct()


def engagement_for(person: Person, slug: str, now: datetime) -> tuple[Engagement, Brand]:
    """The running engagement that lets this consultant see the brand. Raises Http404."""
    running = engagements_of(person, now).filter(brands__slug=slug, brands__archived_at=None)
    engagement = running.select_related("agency", "sponsor__person").only(*SEEN).first()
    if engagement is None:
        raise Http404
    return engagement, engagement.brands.get(slug=slug)


SEEN = ("agency__name", "purpose", "starts_at", "ends_at", "ended_at", "sponsor__kind", "sponsor__person__name")
"""What a consultant's page reads of an engagement: of its sponsor the name, and no column beyond it."""


def last_engagement() -> dict[str, Any]:
    """What a consultant may still know of the engagement that ended last: when, for which brands, and whom to write to.
    The tables themselves are closed to them; the database answers just this."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ended_at, brand_names, sponsor_name, sponsor_email FROM ascolto_last_engagement()")
        row = cursor.fetchone()
    if row is None:
        return {"engagement": None}
    ended_at, brand_names, name, email = row
    sponsor = {"person": {"name": name, "email": email}}
    return {"engagement": {"sponsor": sponsor}, "ended_at": ended_at, "brand_names": brand_names}
