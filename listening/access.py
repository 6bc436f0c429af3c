"""The doors to what listening keeps: a source is found through its brand, or not at all."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404

from accounts.models import Brand
from listening.models import Source


def sources_of(brand: Brand) -> QuerySet[Source]:
    """The places the brand listens to; conversations kept warm are not shown."""
    return Source.objects.filter(brand=brand, warm_until=None).select_related("account").order_by("name", "pk")


def source_for(brand: Brand, source_id: int) -> Source:
    """Raises Http404."""
    source = sources_of(brand).filter(pk=source_id).first()
    if source is None:
        raise Http404
    return source
