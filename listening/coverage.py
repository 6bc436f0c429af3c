"""Deaf is not silent: for every source and hour the ledger says whether we listened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from listening.models import Coverage

LONGEST = timedelta(days=7)
"""How far back one poll may speak for the hours before it."""


@dataclass(frozen=True, slots=True)
class Ear:
    """What one poll says of its source: from the last poll that succeeded until now."""

    source_id: int
    status: str
    since: datetime | None
    until: datetime


def note(polls: Sequence[Ear]) -> None:
    """Writes the hours. A complete poll makes its hour `checked`, and closes the gap back to the last one: hours that
    failed are `checked` too, since what was said in them is here; only a pause stays a pause. A failure never takes
    back what was heard earlier in its hour: that makes it `partial`."""
    rows = {(poll.source_id, hour): poll.status for poll in polls for hour in _hours(poll)}
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO listening_coverage AS c (source_id, hour, status)
            SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[])
            ON CONFLICT (source_id, hour) DO UPDATE SET status =
                CASE WHEN excluded.status IN ('checked', 'partial') THEN excluded.status
                     WHEN c.status = 'checked' THEN 'partial' ELSE c.status END
            WHERE c.status <> excluded.status
                AND (c.hour = date_trunc('hour', %s::timestamptz)
                     OR excluded.status = 'checked' AND c.status <> 'paused')
            """,
            [[source for source, _ in rows], [hour for _, hour in rows], list(rows.values()), polls[0].until],
        )


def _hours(poll: Ear) -> list[datetime]:
    last = poll.until.replace(minute=0, second=0, microsecond=0)
    first = max(poll.since or poll.until, poll.until - LONGEST).replace(minute=0, second=0, microsecond=0)
    if poll.status not in (Coverage.Status.CHECKED, Coverage.Status.FAILED, Coverage.Status.PAUSED):
        first = last
    return [first + timedelta(hours=n) for n in range(int((last - first).total_seconds() // 3600) + 1)]
