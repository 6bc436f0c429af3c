"""The statistics behind the reports, as docs/metrics.md defines them. Pure: numbers in, numbers out.

Durations are seconds. A share goes from 0 to 1. None: there is no such figure, or too few values to show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor
from typing import Final

DEFINITIONS: Final = "1"
"""Version of the definitions in docs/metrics.md, printed on each export."""

FEWEST: Final = 5
"""With fewer values than this, how many there are is shown and the figure is not."""


def percentile(values: Iterable[float], p: float) -> float | None:
    """The value below which the share `p` of `values` lies, interpolated between neighbours as PostgreSQL's
    `percentile_cont(p)` does. None without values. Raises ValueError if `p` isn't within 0 and 1."""
    if not 0 <= p <= 1:
        raise ValueError("A percentile lies between 0 and 1.")
    ordered = sorted(values)
    if not ordered:
        return None
    place = p * (len(ordered) - 1)
    below = floor(place)
    if place == below:
        return float(ordered[below])
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


def median(values: Iterable[float]) -> float | None:
    return percentile(values, 0.5)


def p90(values: Iterable[float]) -> float | None:
    return percentile(values, 0.9)


def kaplan_meier(durations: Sequence[float], observed: Sequence[bool], p: float) -> float | None:
    """The time by which the share `p` has been answered, those still waiting taken into account (Kaplan and Meier's
    estimate): the first duration at which the estimated share still waiting is at most 1 - p.

    durations: of every spell, the open ones up to now. observed: True where it ended with an answer, False where the
    end wasn't seen (open) or was another one. None if too few were answered to tell. Raises ValueError if the two
    differ in length or `p` isn't within 0 and 1."""
    if not 0 <= p <= 1:
        raise ValueError("A percentile lies between 0 and 1.")
    answered = Counter(duration for duration, seen in zip(durations, observed, strict=True) if seen)
    left = Counter(durations)
    at_risk, waiting = len(durations), 1.0
    for duration in sorted(left):
        waiting *= 1 - answered[duration] / at_risk
        at_risk -= left[duration]
        if answered[duration] and waiting <= 1 - p + 1e-12:  # a product of fractions may miss 1 - p by a hair
            return float(duration)
    return None


def met(due_at: datetime | None, answered_at: datetime | None, ended_at: datetime | None, now: datetime) -> bool | None:
    """Was the promise kept? True: answered by the due time. False: answered later, or still open past it. None:
    nothing was promised, there is still time, or it ended without needing an answer."""
    if due_at is None or (answered_at is None and ended_at is not None):
        return None
    if answered_at is not None:
        return answered_at <= due_at
    return False if now > due_at else None


def attainment(outcomes: Iterable[bool | None]) -> float | None:
    """Met ÷ (met + missed), from the results of `met`; those that are None are in neither."""
    decided = [outcome for outcome in outcomes if outcome is not None]
    return sum(decided) / len(decided) if len(decided) >= FEWEST else None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a report shows of a set of spells, in the order in which it shows it."""

    n: int
    median: float | None = None
    p90: float | None = None
    within_target: float | None = None
    mean: float | None = None


def summary(durations: Sequence[float], outcomes: Iterable[bool | None] = ()) -> Summary:
    """durations: of the answered spells. outcomes: `met` of every spell that counts, open ones too. Each figure is
    hidden (None) where fewer than five values stand behind it."""
    n, within = len(durations), attainment(outcomes)
    if n < FEWEST:
        return Summary(n, within_target=within)
    return Summary(n, median(durations), p90(durations), within, sum(durations) / n)
