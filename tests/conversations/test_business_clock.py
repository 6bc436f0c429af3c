"""Business time agrees with somebody who watches the clock on the wall minute by minute, also when it changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.reports.clock import Calendar, Hours, holidays_of

OFFICE: dict[int, Hours] = {day: [("09:00", "13:00"), ("14:00", "18:00")] for day in range(5)}
ALWAYS: dict[int, Hours] = {day: [("00:00", "24:00")] for day in range(7)}
NIGHTS: dict[int, Hours] = {
    day: [("00:00", "02:15"), ("02:15", "02:30"), ("02:45", "04:00"), ("23:15", "24:00")] for day in range(7)
}
MINUTE = timedelta(minutes=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def rome(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Rome"))  # type: ignore[misc, arg-type]


# ── against a slow watcher ──────────────────────────────────────────────────────────────────────────────────────────


def watched(
    zone: str, weekly: dict[int, Hours], closed: set[date], start: datetime, end: datetime, step: timedelta
) -> Iterator[bool]:
    """Open or not, at each step from `start` to `end`, by the latest time that the wall clock has shown so far: hours
    that come twice don't count as new."""
    shown = datetime(1, 1, 1)  # noqa: DTZ001
    at = start - timedelta(days=2)
    while at < end:
        shown = max(shown, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        if at >= start:
            clock = shown.strftime("%H:%M")
            hours = () if shown.date() in closed else weekly.get(shown.weekday(), ())
            yield any(opens <= clock < closes for opens, closes in hours)
        at += step


# Nights on which clocks change (by an hour, by half of one, over midnight, by a whole day), and ends of years.
EDGES = {
    "Europe/Rome": [utc(2026, 3, 29), utc(2026, 10, 25), utc(2026, 12, 31), utc(2028, 2, 29)],
    "America/New_York": [utc(2026, 3, 8), utc(2026, 11, 1), utc(2027, 1, 1)],
    "Australia/Lord_Howe": [utc(2026, 4, 4), utc(2026, 10, 3), utc(2025, 12, 31)],
    "America/St_Johns": [utc(2010, 3, 14), utc(2010, 11, 7)],
    "America/Sao_Paulo": [utc(2018, 2, 18), utc(2018, 11, 4)],
    "Pacific/Apia": [utc(2011, 12, 30), utc(2012, 4, 1)],
}
CLOCKS = st.integers(0, 96).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
INTERVAL = st.tuples(CLOCKS, CLOCKS).filter(lambda pair: pair[0] < pair[1])
WEEKS = st.one_of(
    st.sampled_from([OFFICE, ALWAYS, NIGHTS]),
    st.dictionaries(st.integers(0, 6), st.lists(INTERVAL, min_size=1, max_size=4), min_size=1),
)
PLACES = st.sampled_from([(zone, edge) for zone, edges in EDGES.items() for edge in edges])
SHIFTS = st.integers(-36 * 60, 36 * 60).map(lambda minutes: timedelta(minutes=minutes))


@settings(max_examples=250, deadline=None)
@given(PLACES, WEEKS, SHIFTS, st.integers(0, 60 * 60), st.booleans())
def test_every_minute_counts_as_watched(
    place: tuple[str, datetime], weekly: dict[int, Hours], shift: timedelta, minutes: int, holiday: bool
) -> None:
    zone, edge = place
    closed = {edge.date()} if holiday else set()
    start = edge + shift
    end = start + minutes * MINUTE
    seen = list(watched(zone, weekly, closed, start, end, MINUTE))
    calendar = Calendar(zone, weekly, closed)
    assert calendar.business_seconds(start, end) == 60 * sum(seen)
    if seen:
        assert calendar.is_open(start) == seen[0]
    if any(seen):
        assert calendar.next_opening(start) == start + seen.index(True) * MINUTE


@pytest.mark.parametrize("zone", ["Europe/Rome", "America/New_York", "Australia/Lord_Howe"])
def test_every_day_of_two_years_counts_as_watched(zone: str) -> None:
    closed = {date(2026, 1, 1), date(2026, 10, 25), date(2027, 12, 31)}
    calendar = Calendar(zone, NIGHTS | {2: [("09:00", "18:00")]}, closed)
    start, end, step = utc(2026, 1, 1, 0, 30), utc(2027, 12, 31, 23, 45), timedelta(minutes=15)
    seen = sum(watched(zone, NIGHTS | {2: [("09:00", "18:00")]}, closed, start, end, step))
    assert calendar.business_seconds(start, end) == 15 * 60 * seen


MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)
ZONES = st.sampled_from(list(EDGES))


@settings(max_examples=60, deadline=None)
@given(ZONES, WEEKS, MOMENTS, st.integers(0, 3_000_000))
def test_the_due_time_is_the_earliest_that_costs_the_seconds(
    zone: str, weekly: dict[int, Hours], start: datetime, seconds: int
) -> None:
    calendar = Calendar(zone, weekly)
    due = calendar.add_business_seconds(start, seconds)
    assert calendar.business_seconds(start, due) == seconds
    if seconds:
        assert calendar.business_seconds(start, due - timedelta(seconds=1)) == seconds - 1
    else:
        assert due == calendar.next_opening(start)


@settings(max_examples=60, deadline=None)
@given(ZONES, WEEKS, st.lists(MOMENTS, min_size=2, max_size=5).map(sorted))
def test_a_span_is_the_sum_of_its_parts(zone: str, weekly: dict[int, Hours], moments: list[datetime]) -> None:
    calendar = Calendar(zone, weekly)
    parts = sum(calendar.business_seconds(one, other) for one, other in pairwise(moments))
    assert calendar.business_seconds(moments[0], moments[-1]) == parts


@settings(max_examples=60, deadline=None)
@given(ZONES, MOMENTS, MOMENTS)
def test_around_the_clock_loses_no_second(zone: str, one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    calendar = Calendar(zone, ALWAYS)
    assert calendar.business_seconds(start, end) == (end - start).total_seconds()
    assert calendar.add_business_seconds(start, int((end - start).total_seconds())) == end
    assert calendar.is_open(start)


# ── as a manager would check it ─────────────────────────────────────────────────────────────────────────────────────


def test_an_evening_message_starts_at_the_next_opening() -> None:
    office = Calendar("Europe/Rome", OFFICE)
    friday_evening, monday = rome(2026, 11, 20, 19), rome(2026, 11, 23, 9)
    assert office.next_opening(friday_evening) == monday
    assert office.business_seconds(friday_evening, rome(2026, 11, 22, 12)) == 0
    assert office.business_seconds(friday_evening, monday + timedelta(minutes=10)) == 600
    assert office.add_business_seconds(friday_evening, 3600) == rome(2026, 11, 23, 10)
    assert office.add_business_seconds(friday_evening, 4 * 3600) == rome(2026, 11, 23, 13)
    assert office.add_business_seconds(friday_evening, 4 * 3600 + 1) == rome(2026, 11, 23, 14, 0, 1)
    assert not office.is_open(rome(2026, 11, 23, 13))
    assert office.is_open(rome(2026, 11, 23, 14))


def test_a_holiday_is_closed() -> None:
    office = Calendar("Europe/Rome", OFFICE, holidays_of("IT", [2026]))
    assert office.next_opening(rome(2026, 12, 7, 19)) == rome(2026, 12, 9, 9)
    assert office.business_seconds(rome(2026, 12, 7, 17), rome(2026, 12, 9, 10)) == 7200


def test_the_night_of_the_change_has_its_own_length() -> None:
    always = Calendar("Europe/Rome", ALWAYS)
    assert always.business_seconds(rome(2026, 3, 29), rome(2026, 3, 30)) == 23 * 3600
    assert always.business_seconds(rome(2026, 10, 25), rome(2026, 10, 26)) == 25 * 3600


def test_an_end_before_its_start_costs_nothing() -> None:
    assert Calendar("Europe/Rome", OFFICE).business_seconds(rome(2026, 11, 23, 12), rome(2026, 11, 23, 10)) == 0


def test_parts_of_a_second_are_dropped_at_the_end() -> None:
    always, start = Calendar("UTC", ALWAYS), utc(2026, 1, 1)
    assert always.business_seconds(start, start + timedelta(seconds=90_000.9)) == 90_000
    assert always.business_seconds(start + timedelta(seconds=0.6), start + timedelta(days=2, seconds=0.2)) == 172_799


def test_five_years_cost_less_than_a_millisecond() -> None:
    office = Calendar("Europe/Rome", OFFICE, holidays_of("IT", range(2021, 2027)))
    span = rome(2021, 2, 3, 10), rome(2026, 2, 3, 11)
    assert office.add_business_seconds(span[0], office.business_seconds(*span)) == span[1]
    begun = time.perf_counter()
    for _ in range(50):
        office.business_seconds(*span)
    assert (time.perf_counter() - begun) / 50 < 0.001


@pytest.mark.parametrize(
    ("zone", "weekly", "words"),
    [
        ("Europe/Rome", {}, "no opening hours"),
        ("Europe/Rome", {0: []}, "no opening hours"),
        ("Europe/Atlantis", OFFICE, "no time zone “Europe/Atlantis”"),
        ("../etc/passwd", OFFICE, "no time zone"),
        ("", OFFICE, "no time zone"),
        ("Europe/Rome", {7: [("09:00", "10:00")]}, "0 (Monday) to 6"),
        ("Europe/Rome", {0: [("22:00", "06:00")]}, "must end after it begins"),
        ("Europe/Rome", {0: [("9 am", "18:00")]}, "“9 am” is no time of the day"),
    ],
)
def test_a_calendar_that_cannot_work_is_told_in_words(zone: str, weekly: dict[int, Hours], words: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011 -- the words are looked at below
        Calendar(zone, weekly)
    assert words in str(told.value)


def test_what_cannot_be_asked() -> None:
    office = Calendar("Europe/Rome", OFFICE)
    with pytest.raises(ValueError, match="without a zone"):
        office.is_open(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="only goes forward"):
        office.add_business_seconds(utc(2026, 1, 1), -1)


def test_holidays_are_named() -> None:
    italian = holidays_of("IT", [2025, 2026], language="it_IT")
    assert italian[date(2026, 12, 25)] == "Natale"
    assert holidays_of("IT", [2026])[date(2026, 12, 25)] == "Christmas Day"
    assert date(2025, 10, 4) not in italian
    assert date(2026, 10, 4) in italian  # Saint Francis, a holiday again from 2026 (law 151/2025)
    with pytest.raises(ValueError, match="“ZZ” are not known"):
        holidays_of("ZZ", [2026])
