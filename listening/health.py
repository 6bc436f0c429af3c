"""How a source is, for people: a word, fourteen days of mentions and of coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.db.models.functions import TruncDate

from listening.models import Coverage, Mention, Source

DAYS = 14
LATE = 1.5
"""Times its interval: then a source is late."""
WORST = {name: rank for rank, name in enumerate(("checked", "paused", "partial", "throttled", "failed"))}


@dataclass(frozen=True, slots=True)
class Health:
    word: str
    """active, late, error or paused."""
    series: list[int]
    """Mentions per day, oldest first."""
    days: list[str]
    """The worst coverage of each day, oldest first; empty: nothing is known."""

    @property
    def today(self) -> int:
        return self.series[-1]


def of(sources: Sequence[Source], zone: ZoneInfo, now: datetime) -> dict[int, Health]:
    """The health of each source, in two statements for all."""
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=n) for n in reversed(range(DAYS))]
    since = now - timedelta(days=DAYS)
    ids = [source.pk for source in sources]
    counted = Mention.objects.filter(source_id__in=ids, created_at__gte=since).annotate(
        day=TruncDate("created_at", tzinfo=zone)
    )
    mentions = Counter(
        {
            (row["source_id"], row["day"]): row["n"]
            for row in counted.values("source_id", "day").annotate(n=Count("pk")).order_by()
        }
    )
    worst: dict[tuple[int, date], str] = {}
    heard = Coverage.objects.filter(source_id__in=ids, hour__gte=since).annotate(day=TruncDate("hour", tzinfo=zone))
    for row in heard.values("source_id", "day", "status").distinct():
        key = (row["source_id"], row["day"])
        worst[key] = max(worst.get(key, "checked"), row["status"], key=WORST.__getitem__)
    return {
        source.pk: Health(
            word=word(source, now),
            series=[mentions[source.pk, day] for day in days],
            days=[worst.get((source.pk, day), "") for day in days],
        )
        for source in sources
    }


def word(source: Source, now: datetime) -> str:
    if source.state == Source.State.PAUSED:
        return "paused"
    if source.failures:
        return "error"
    late = source.last_success_at is not None and now - source.last_success_at > timedelta(
        seconds=source.interval * LATE + 60
    )
    return "late" if late else "active"
