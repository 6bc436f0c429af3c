"""Deaf is not silent: the ledger says for each hour whether we listened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from listening import coverage
from listening.models import Coverage, Source
from tests.cast import Cast, source_of

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def say(source: Source, status: str, at: datetime, since: datetime | None = None) -> None:
    coverage.note([coverage.Ear(source.pk, status, since, at)])


def ledger(source: Source) -> dict[int, str]:
    return {row.hour.hour: row.status for row in Coverage.objects.filter(source=source)}


def test_a_complete_poll_speaks_for_the_quiet_hours_before_it(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    say(source, "checked", NOON, NOON - timedelta(hours=3))
    assert ledger(source) == {9: "checked", 10: "checked", 11: "checked", 12: "checked"}


@pytest.mark.parametrize(
    ("first", "then", "result"),
    [
        ("checked", "failed", "partial"),
        ("checked", "throttled", "partial"),
        ("failed", "checked", "checked"),
        ("failed", "partial", "partial"),
        ("partial", "failed", "partial"),
        ("throttled", "failed", "throttled"),
    ],
)
def test_two_polls_in_one_hour(cast: Cast, first: str, then: str, result: str) -> None:
    source = source_of(cast.nivalta)
    say(source, first, NOON)
    say(source, then, NOON + timedelta(minutes=5))
    assert ledger(source) == {12: result}


def test_a_complete_poll_closes_the_gap_of_a_failure_and_not_of_a_pause(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    say(source, "paused", NOON - timedelta(hours=2))
    say(source, "failed", NOON - timedelta(hours=1))
    say(source, "checked", NOON, NOON - timedelta(hours=3))
    assert ledger(source) == {9: "checked", 10: "paused", 11: "checked", 12: "checked"}


def test_a_failure_leaves_earlier_hours_as_they_were(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    say(source, "checked", NOON - timedelta(hours=2))
    say(source, "failed", NOON, NOON - timedelta(hours=2))
    assert ledger(source) == {10: "checked", 11: "failed", 12: "failed"}


def test_a_source_long_gone_writes_a_week_at_most(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    say(source, "checked", NOON, NOON - timedelta(days=400))
    assert Coverage.objects.filter(source=source).count() == 7 * 24 + 1
