"""Business time: how many seconds of opening hours lie between two moments, and when a promise falls due. Pure.

Opening hours are half-open intervals of local time, turned into moments date by date. On the nights when the clocks
change, a local time that comes twice means its first coming, and one that is skipped means the moment of the jump: so
neighbouring intervals never overlap and never leave a hole, and 24/7 loses no second.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays as public_holidays

Hours = Sequence[tuple[str, str]]
"""Opening times of a day: ("09:00", "18:00"), local; "24:00" is the end of the day."""

DAY_MINUTES = 24 * 60


class Calendar:
    """The hours in which a team answers.

    zone: IANA name. weekly: Monday is 0 (as a number or "0"), a missing day is closed. holidays: local dates, closed.
    Raises ValueError, with words for people, if the zone is unknown, a time can't be read, or no hour is open at all.
    """

    def __init__(self, zone: str, weekly: Mapping[int, Hours], holidays: Collection[date] = frozenset()) -> None:
        try:
            self.zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"There is no time zone “{zone}”: use a name such as Europe/Rome.") from None
        hours = {int(day): _minutes(intervals) for day, intervals in weekly.items()}
        if not hours.keys() <= set(range(7)):
            raise ValueError("Days go from 0 (Monday) to 6 (Sunday).")
        if not any(hours.values()):
            raise ValueError("The calendar has no opening hours: open at least one interval in the week.")
        self._weekly = [hours.get(day, []) for day in range(7)]
        self._holidays = frozenset(holidays)
        self._years: dict[int, list[int]] = {}

    def is_open(self, at: datetime) -> bool:
        at = _utc(at)
        return any(opens <= at < closes for opens, closes in self._openings(self._day(at)))

    def next_opening(self, at: datetime) -> datetime:
        """The first open moment at or after `at`, in UTC: `at` itself during opening hours."""
        at = _utc(at)
        for day in self._days_from(self._day(at)):
            for opens, closes in self._openings(day):
                if at < closes:
                    return max(at, opens)
        raise AssertionError("days never end")

    def business_seconds(self, start: datetime, end: datetime) -> int:
        """Whole open seconds in [start, end); 0 if `end` isn't after `start`."""
        start, end = _utc(start), _utc(end)
        if end <= start:
            return 0
        first, last = self._day(start), self._day(end)
        if first == last:
            return _whole_seconds(self._open_within(first, start, end))
        edges = self._open_within(first, start, end) + self._open_within(last, start, end)
        return self._whole_days(first + timedelta(days=1), last) + _whole_seconds(edges)

    def add_business_seconds(self, start: datetime, seconds: int) -> datetime:
        """The earliest moment, in UTC, at which `seconds` open seconds have passed since `start`; with no seconds to
        pass, the next opening. Raises ValueError if `seconds` is negative."""
        if seconds < 0:
            raise ValueError("Business time only goes forward.")
        start = self.next_opening(start)
        first = self._day(start)
        left = timedelta(seconds=seconds)
        open_today = self._open_within(first, start, datetime.max.replace(tzinfo=UTC))
        if left <= open_today:
            return self._after(first, start, left)
        left -= open_today
        day, passed = self._day_that_reaches(first + timedelta(days=1), left)
        return self._after(day, start, left - timedelta(seconds=passed))

    # ── one day ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _day(self, at: datetime) -> date:
        """The day that `at` counts for. A clock set back over midnight doesn't bring the day before back."""
        day = at.astimezone(self.zone).date()
        tomorrow = day + timedelta(days=1)
        return tomorrow if at >= self._moment(tomorrow, 0) else day

    def _openings(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        if day in self._holidays:
            return
        for opens, closes in self._weekly[day.weekday()]:
            first, last = self._moment(day, opens), self._moment(day, closes)
            if first < last:
                yield first, last

    def _moment(self, day: date, minute: int) -> datetime:
        """When the clock first shows (or jumps over) that minute of that day."""
        midnight = datetime.combine(day + timedelta(days=minute // DAY_MINUTES), time(), self.zone)
        local = midnight + timedelta(minutes=minute % DAY_MINUTES)
        at = local.astimezone(UTC)
        if at.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return at
        before_jump = local.replace(fold=1).astimezone(UTC)
        span = range(int((at - before_jump).total_seconds()) + 1)
        offset = before_jump.astimezone(self.zone).utcoffset()
        jump = bisect_left(
            span,
            True,
            key=lambda second: (before_jump + timedelta(seconds=second)).astimezone(self.zone).utcoffset() != offset,
        )
        return before_jump + timedelta(seconds=jump)

    def _open_within(self, day: date, start: datetime, end: datetime) -> timedelta:
        parts = (min(closes, end) - max(opens, start) for opens, closes in self._openings(day))
        return sum((part for part in parts if part > timedelta()), timedelta())

    def _after(self, day: date, start: datetime, left: timedelta) -> datetime:
        """The moment of `day` at which `left` of its open time since `start` has passed."""
        for opens, closes in self._openings(day):
            opens = max(opens, start)
            if left <= closes - opens:
                return opens + left
            left -= max(closes - opens, timedelta())
        raise AssertionError("the day has less open time than was counted")

    # ── many days: sums are kept year by year ───────────────────────────────────────────────────────────────────────

    def _year(self, year: int) -> list[int]:
        """Open seconds from the start of the year to the start of each of its days, and to its end."""
        if year not in self._years:
            first = date(year, 1, 1)
            days = [first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days)]
            self._years[year] = list(accumulate((self._seconds_of(day) for day in days), initial=0))
        return self._years[year]

    def _seconds_of(self, day: date) -> int:
        return sum(int((closes - opens).total_seconds()) for opens, closes in self._openings(day))

    def _whole_days(self, first: date, end: date) -> int:
        """Open seconds of the days from `first` up to, not including, `end`."""
        if first >= end:
            return 0
        years = sum(self._year(year)[-1] for year in range(first.year, end.year))
        return years + self._year(end.year)[_number(end)] - self._year(first.year)[_number(first)]

    def _day_that_reaches(self, first: date, left: timedelta) -> tuple[date, int]:
        """The day in which `left` open time since the start of `first` is used up, and the open seconds before it."""
        before = -self._year(first.year)[_number(first)]
        year = first.year
        while timedelta(seconds=before + self._year(year)[-1]) < left:
            before += self._year(year)[-1]
            year += 1
        sums = self._year(year)
        number = bisect_left(sums, True, key=lambda passed: timedelta(seconds=before + passed) >= left) - 1
        return date(year, 1, 1) + timedelta(days=number), before + sums[number]

    @staticmethod
    def _days_from(day: date) -> Iterator[date]:
        while True:
            yield day
            day += timedelta(days=1)


def holidays_of(country: str, years: Iterable[int], language: str = "en_US") -> dict[date, str]:
    """Public holidays of a country (ISO 3166 code: "IT") with their names, from the package `holidays`.
    language: of the names, one that the package has for the country ("en_US", "it_IT"), else its default.
    Raises ValueError with words if the package doesn't know the country."""
    try:
        found = public_holidays.country_holidays(country, years=list(years), language=language)
    except NotImplementedError:
        raise ValueError(f"The public holidays of “{country}” are not known: add them by hand.") from None
    return dict(sorted(found.items()))


def _minutes(intervals: Hours) -> list[tuple[int, int]]:
    """The intervals in minutes of the day, sorted; those that touch or overlap become one."""
    joined: list[tuple[int, int]] = []
    for opens, closes in sorted((_minute(opens), _minute(closes)) for opens, closes in intervals):
        if closes <= opens:
            raise ValueError("An interval must end after it begins: split a night into two days at 24:00.")
        if joined and opens <= joined[-1][1]:
            opens, closes = joined[-1][0], max(joined.pop()[1], closes)
        joined.append((opens, closes))
    return joined


def _minute(clock: str) -> int:
    if clock == "24:00":
        return DAY_MINUTES
    try:
        read = datetime.strptime(clock, "%H:%M")  # noqa: DTZ007 -- a time of day has no zone yet
    except ValueError:
        raise ValueError(f"“{clock}” is no time of the day: write it as 09:00.") from None
    return read.hour * 60 + read.minute


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("A time without a zone can't be placed.")
    return at.astimezone(UTC)


def _number(day: date) -> int:
    return day.timetuple().tm_yday - 1


def _whole_seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)
