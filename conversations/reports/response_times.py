"""Response times of one brand: which spells are meant, and what PostgreSQL computes of them (docs/metrics.md).

The only place where the reports ask the database. Every figure comes from spells, under exactly the page's selection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.models import Brand
from conversations.models import CalendarVersion, Spell, TargetVersion
from conversations.reports.clock import Calendar
from conversations.reports.figures import FEWEST, kaplan_meier
from conversations.spells import calendar_of

WEEKS = (4, 12, 26, 52)
CLOCKS = ("team", "author")
HOURS = ("business", "calendar")
DEAF_SHARE = 0.05
"""A week is marked when a source could not be listened to for this share of its hours."""


@dataclass(frozen=True)
class Selection:
    """What the page is about: the spells of a brand that started within some weeks, the last of them under way.

    The period before has the same length and ends at the same weekday and time, so that like is compared with like."""

    brand: Brand
    now: datetime
    weeks: int = 12
    source: int | None = None
    clock: str = "team"
    hours: str = "business"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.brand.zone)

    @property
    def mondays(self) -> list[date]:
        today = self.now.astimezone(self.zone).date()
        this_week = today - timedelta(days=today.weekday())
        return [this_week - timedelta(weeks=back) for back in reversed(range(self.weeks))]

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    @property
    def since(self) -> datetime:
        return self.midnight(self.mondays[0])

    @property
    def before(self) -> tuple[datetime, datetime]:
        """The period before, on the clocks of the brand's zone."""
        local, back = self.now.astimezone(self.zone), timedelta(weeks=self.weeks)
        return self.midnight(self.mondays[0] - back), local - back

    @property
    def seconds(self) -> str:
        """The column of a spell that holds its duration."""
        return f"{self.clock}_seconds" if self.hours == "calendar" else f"{self.clock}_business_seconds"


@dataclass(frozen=True, slots=True)
class Times:
    """Median and p90 in seconds, hidden (None) behind fewer than five values."""

    n: int = 0
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    first: Times = Times()
    reply: Times = Times()
    met: int = 0
    missed: int = 0
    open: int = 0
    overdue: int = 0
    oldest: datetime | None = None
    """Start of the oldest open spell, on the team clock."""
    late_find: int = 0
    private: int = 0
    withdrawn: int = 0

    @property
    def percent(self) -> float | None:
        """Answered within the target."""
        decided = self.met + self.missed
        return 100 * self.met / decided if decided >= FEWEST else None


@dataclass(frozen=True, slots=True)
class Report:
    now: Figures
    before: Figures
    by_source: dict[int, Figures]
    by_week: dict[date, Figures]
    waiting_earlier: int
    """Open spells that began before the period: in none of its figures, and not forgotten."""


FIGURES = """
WITH chosen AS (
    SELECT source_id, number = 1 AS is_first, outcome, left_out, left_out = '' AS counts, team_started_at,
           date_trunc('week', team_started_at AT TIME ZONE %(zone)s)::date AS week,
           CASE WHEN team_started_at >= %(since)s THEN 'now'
                WHEN team_started_at >= %(before)s AND team_started_at < %(before_ends)s THEN 'before'
                ELSE 'else' END AS period,
           CASE WHEN outcome = 'answered' AND left_out = '' THEN {seconds} END AS seconds,
           CASE WHEN outcome = 'answered' AND left_out = '' THEN ended_at <= due_at
                WHEN outcome = 'open' AND left_out = '' AND due_at < %(now)s THEN false END AS met
    FROM conversations_spell
    WHERE brand_id = %(brand)s AND (%(source)s IS NULL OR source_id = %(source)s) AND team_started_at < %(now)s
      AND (team_started_at >= %(before)s OR outcome = 'open')
)
SELECT period, source_id, week,
       count(seconds) FILTER (WHERE is_first),
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE is_first),
       count(seconds),
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY seconds),
       count(*) FILTER (WHERE met), count(*) FILTER (WHERE NOT met),
       count(*) FILTER (WHERE outcome = 'open' AND counts),
       count(*) FILTER (WHERE outcome = 'open' AND NOT met),
       min(team_started_at) FILTER (WHERE outcome = 'open' AND counts),
       count(*) FILTER (WHERE left_out = 'late_find'), count(*) FILTER (WHERE left_out = 'private'),
       count(*) FILTER (WHERE outcome = 'withdrawn' AND counts)
FROM chosen GROUP BY GROUPING SETS ((period), (period, source_id), (period, week))
"""


def report(selection: Selection) -> Report:
    """All plain figures of the page in one statement: of the period, the one before, each source, each week."""
    with connection.cursor() as cursor:
        cursor.execute(FIGURES.format(seconds=selection.seconds), _parameters(selection))
        found = {(period, source, week): _figures(*rest) for period, source, week, *rest in cursor.fetchall()}
    nothing = Figures()
    earlier = [found.get((period, None, None), nothing) for period in ("before", "else")]
    return Report(
        now=found.get(("now", None, None), nothing),
        before=found.get(("before", None, None), nothing),
        by_source={source: row for (period, source, _), row in found.items() if period == "now" and source},
        by_week={week: row for (period, _, week), row in found.items() if period == "now" and week},
        waiting_earlier=sum(row.open for row in earlier),
    )


def _parameters(selection: Selection) -> dict[str, Any]:
    before, before_ends = selection.before
    return {
        "brand": selection.brand.pk,
        "source": selection.source,
        "zone": selection.brand.zone,
        "since": selection.since,
        "before": before,
        "before_ends": before_ends,
        "now": selection.now,
    }


def _figures(first_n: int, first: list[float] | None, n: int, reply: list[float] | None, *rest: Any) -> Figures:
    return Figures(_times(first_n, first), _times(n, reply), *rest)


def _times(n: int, percentiles: list[float] | None) -> Times:
    return Times(n, *percentiles) if percentiles and n >= FEWEST else Times(n)


# ── the spells behind a figure ──────────────────────────────────────────────────────────────────────────────────────


def spells_of(selection: Selection) -> QuerySet[Spell]:
    """The spells of the period, those left out of the figures included."""
    return _of_brand(selection).filter(team_started_at__gte=selection.since)


def _of_brand(selection: Selection) -> QuerySet[Spell]:
    spells = Spell.objects.filter(brand=selection.brand, team_started_at__lt=selection.now)
    return spells if selection.source is None else spells.filter(source_id=selection.source)


def behind(selection: Selection, figure: str, week: date | None = None) -> QuerySet[Spell]:
    """The spells behind a figure of the page, of one week or of all. Raises KeyError if there is no such figure."""
    counted = Q(left_out="")
    answered, still_open = counted & Q(outcome=Spell.Outcome.ANSWERED), counted & Q(outcome=Spell.Outcome.OPEN)
    overdue = still_open & Q(due_at__lt=selection.now)
    if figure == "earlier":
        return _of_brand(selection).filter(still_open, team_started_at__lt=selection.since)
    found = spells_of(selection).filter(
        {
            "first": answered & Q(number=1),
            "reply": answered,
            "first_all": counted & Q(number=1),
            "reply_all": counted,
            "share": answered | overdue,
            "waiting": still_open,
            "overdue": overdue,
            "late_find": Q(left_out=Spell.LeftOut.LATE_FIND),
            "private": Q(left_out=Spell.LeftOut.PRIVATE),
            "withdrawn": counted & Q(outcome=Spell.Outcome.WITHDRAWN),
        }[figure]
    )
    if week is None:
        return found
    return found.filter(
        team_started_at__gte=selection.midnight(week),
        team_started_at__lt=selection.midnight(week + timedelta(weeks=1)),
    )


# ── those still waiting ─────────────────────────────────────────────────────────────────────────────────────────────


class Waited:
    """How long an open spell has waited up to `now`, on each clock; a brand's calendars are read once, when needed."""

    def __init__(self, brand: Brand, now: datetime) -> None:
        self.brand, self.now = brand, now
        self._calendars: dict[int, Calendar] | None = None
        self._business_seconds = cache(self._count)

    def seconds(self, started_at: datetime, hours: str, calendar_id: int) -> float:
        """`hours`: business (by that calendar) or calendar."""
        if hours == "calendar":
            return max(0.0, (self.now - started_at).total_seconds())
        return float(self._business_seconds(started_at, calendar_id))

    def _count(self, started_at: datetime, calendar_id: int) -> int:
        if self._calendars is None:
            versions = CalendarVersion.objects.filter(brand=self.brand)
            self._calendars = {version.pk: calendar_of(version) for version in versions}
        return self._calendars[calendar_id].business_seconds(started_at, self.now)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Median and p90 in seconds with those still waiting (Kaplan and Meier), None where too few tell."""

    n: int
    median: float | None = None
    p90: float | None = None


def estimates(selection: Selection) -> tuple[Estimate, Estimate]:
    """First response time and reply time when open spells count for as long as they have waited."""
    rows = spells_of(selection).filter(left_out="")
    columns = rows.values_list("number", "outcome", selection.seconds, f"{selection.clock}_started_at", "calendar_id")
    waited = Waited(selection.brand, selection.now)
    spells = [
        (number, seconds if seconds is not None else waited.seconds(started, selection.hours, calendar), outcome)
        for number, outcome, seconds, started, calendar in columns
    ]
    return _estimate((s, o) for number, s, o in spells if number == 1), _estimate((s, o) for _, s, o in spells)


def _estimate(spells: Iterable[tuple[float, str]]) -> Estimate:
    pairs = list(spells)
    if len(pairs) < FEWEST:
        return Estimate(len(pairs))
    durations, answered = [seconds for seconds, _ in pairs], [outcome == Spell.Outcome.ANSWERED for _, outcome in pairs]
    return Estimate(len(pairs), kaplan_meier(durations, answered, 0.5), kaplan_meier(durations, answered, 0.9))


# ── around the figures ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Ear:
    """A source, and the weeks (Mondays) in which we could not always listen to it."""

    pk: int
    name: str
    kind: str
    shown: bool
    """False: a conversation that is kept warm, no source that anybody added."""
    deaf: list[date]


def ears(selection: Selection) -> list[Ear]:
    """Every source of the brand, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, s.name, s.kind, s.warm_until IS NULL, ARRAY(
                SELECT date_trunc('week', c.hour AT TIME ZONE %(zone)s)::date AS week FROM listening_coverage c
                WHERE c.source_id = s.id AND c.hour >= %(since)s AND c.hour < %(now)s GROUP BY week
                HAVING count(*) FILTER (WHERE c.status IN ('failed', 'paused', 'throttled')) >= %(share)s * count(*))
            FROM listening_source s WHERE s.brand_id = %(brand)s ORDER BY lower(s.name), s.id
            """,
            _parameters(selection) | {"share": DEAF_SHARE},
        )
        return [Ear(*row) for row in cursor.fetchall()]


def target_of(selection: Selection) -> int | None:
    """The brand's target in business seconds, as it stands now."""
    versions = TargetVersion.objects.filter(brand=selection.brand, valid_from__lte=selection.now)
    return versions.order_by("-valid_from").values_list("seconds", flat=True).first()
