"""What is kept for a while only. In batches, so that nothing is locked for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from accounts.binding import bound

BATCH = 2000
FETCHES_KEPT = timedelta(days=14)
COVERAGE_KEPT = timedelta(days=800)


def forget_unmatched(now: datetime, days: int) -> int:
    """Items that no topic wanted lose all but id, hash and times after `days`, so that they never come twice."""
    return _in_batches(
        """UPDATE listening_item SET text = '', html = '', title = '', warning = '', url = '', media = '[]',
                  remote = '{}', author_name = '', author_handle = '', author_id = '', author_url = '',
                  comments_url = '', hidden_words = true
           WHERE id IN (SELECT i.id FROM listening_item i WHERE i.discovered_at < %s AND NOT i.hidden_words
                        AND NOT EXISTS (SELECT 1 FROM listening_mention m WHERE m.item_id = i.id) LIMIT %s)""",
        now - timedelta(days=days),
    )


def forget_fetches(now: datetime) -> int:
    """The log of single fetches is short-lived; the ledger of hours stays for reports."""
    return _in_batches(
        "DELETE FROM listening_fetch WHERE id IN (SELECT id FROM listening_fetch WHERE at < %s LIMIT %s)",
        now - FETCHES_KEPT,
    ) + _in_batches(
        "DELETE FROM listening_coverage WHERE id IN (SELECT id FROM listening_coverage WHERE hour < %s LIMIT %s)",
        now - COVERAGE_KEPT,
    )


def _in_batches(statement: str, before: datetime) -> int:
    total = 0
    while True:
        with bound("poller"), connection.cursor() as cursor:
            cursor.execute(statement, [before, BATCH])
            total += cursor.rowcount
            if cursor.rowcount < BATCH:
                return int(total)
