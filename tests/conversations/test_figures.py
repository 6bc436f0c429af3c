"""The statistics agree with PostgreSQL, with a published example, and with a library written by others."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from statistics import median as other_median
from statistics import quantiles

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from conversations.reports.figures import Summary, attainment, kaplan_meier, median, met, p90, percentile, summary

SECONDS = st.lists(st.integers(0, 10**7), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("values", "p", "expected"),
    [
        ([10, 20, 30, 40], 0.5, 25),
        ([10, 20, 30, 40], 0.9, 37),
        ([40, 10, 30, 20], 0.25, 17.5),
        ([1, 2, 4, 8, 16, 32], 0.9, 24),
        ([7], 0.9, 7),
        ([1, 2], 0, 1),
        ([1, 2], 1, 2),
    ],
)
def test_percentiles_interpolate_between_neighbours(values: list[float], p: float, expected: float) -> None:
    assert percentile(values, p) == expected


@pytest.mark.django_db
def test_percentiles_are_those_of_the_database() -> None:
    chance = random.Random(3)
    for _ in range(100):
        values = [chance.choice([chance.randint(0, 9), chance.random() * 10**6]) for _ in range(chance.randint(1, 40))]
        share = chance.choice([0.5, 0.9, chance.random()])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT percentile_cont(%s) WITHIN GROUP (ORDER BY v) FROM unnest(%s::float8[]) v", [share, values]
            )
            assert cursor.fetchone() == (percentile(values, share),)


@given(SECONDS, st.integers(0, 100))
def test_a_percentile_is_exact(values: list[int], hundredths: int) -> None:
    place = Fraction(hundredths, 100) * (len(values) - 1)
    low = sorted(values)[int(place)]
    high = sorted(values)[min(int(place) + 1, len(values) - 1)]
    assert percentile(values, hundredths / 100) == pytest.approx(float(low + (place - int(place)) * (high - low)))


@given(SECONDS)
def test_median_and_p90_agree_with_the_standard_library(values: list[int]) -> None:
    assert median(values) == other_median(values)
    if len(values) > 1:
        assert p90(values) == pytest.approx(quantiles(values, n=10, method="inclusive")[-1])


def test_no_values_have_no_percentile() -> None:
    assert median([]) is None
    assert p90([]) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1], 1.1)


# ── those still waiting ─────────────────────────────────────────────────────────────────────────────────────────────

# Freireich et al., Blood 21 (1963) 699-716: weeks in remission with 6-MP and with placebo, worked out by hand in
# Gehan, Biometrika 52 (1965) 203-223 and in many textbooks: medians 23 and 8. A minus stands for "+", not yet over.
SIX_MP = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

# Made up; expected values from lifelines 0.30.3, KaplanMeierFitter().fit(...).percentile(1 - p) for .25 .5 .75 .9.
TWELVE = [270, -50, 160, 60, -360, 280, -40, 530, 370, 80, 150, -410]
TWENTY_FIVE = [
    *[120, 70, 380, -370, 410, 130, 240, 70, 360, 460, 50, 370, 40],
    *[400, -140, 320, -440, 350, 280, -500, -210, 300, 380, 600, -300],
]


@pytest.mark.parametrize(
    ("spells", "p", "expected"),
    [
        (SIX_MP, 0.1, 6),
        (SIX_MP, 0.25, 13),
        (SIX_MP, 0.5, 23),
        (SIX_MP, 0.75, None),
        (PLACEBO, 0.5, 8),
        (TWELVE, 0.25, 150),
        (TWELVE, 0.5, 270),
        (TWELVE, 0.75, 530),
        (TWELVE, 0.9, 530),
        (TWENTY_FIVE, 0.25, 240),
        (TWENTY_FIVE, 0.5, 360),
        (TWENTY_FIVE, 0.75, 410),
        (TWENTY_FIVE, 0.9, 600),
    ],
)
def test_the_estimate_agrees_with_others(spells: list[int], p: float, expected: float | None) -> None:
    assert kaplan_meier([abs(spell) for spell in spells], [spell > 0 for spell in spells], p) == expected


@given(SECONDS)
def test_with_every_answer_seen_it_is_a_value_that_occurs(values: list[int]) -> None:
    found = kaplan_meier(values, [True] * len(values), 0.5)
    assert found == sorted(values)[(len(values) - 1) // 2]


def test_nobody_answered_has_no_estimate() -> None:
    assert kaplan_meier([1, 2, 3], [False] * 3, 0.5) is None
    assert kaplan_meier([], [], 0.5) is None
    with pytest.raises(ValueError, match="zip"):
        kaplan_meier([1], [], 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        kaplan_meier([1], [True], 90)


# ── promises ────────────────────────────────────────────────────────────────────────────────────────────────────────

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("due_at", "answered_at", "ended_at", "expected"),
    [
        (NOW, EARLIER, EARLIER, True),
        (NOW, NOW, NOW, True),
        (EARLIER, NOW, NOW, False),
        (EARLIER, None, None, False),
        (NOW, None, None, None),
        (LATER, None, None, None),
        (EARLIER, None, NOW, None),
        (None, NOW, NOW, None),
    ],
)
def test_a_promise_is_kept_missed_or_neither(
    due_at: datetime | None, answered_at: datetime | None, ended_at: datetime | None, expected: bool | None
) -> None:
    assert met(due_at, answered_at, ended_at, NOW) is expected


def test_attainment_leaves_out_what_is_in_neither() -> None:
    assert attainment([True, True, True, False, None, None, True]) == 0.8
    assert attainment([True, True, True, False, None, None]) is None
    assert attainment([]) is None


def test_a_summary_hides_what_too_few_stand_behind() -> None:
    assert summary([10, 20, 30, 40]) == Summary(4)
    assert summary([10, 20, 30, 40], [True] * 5) == Summary(4, within_target=1.0)
    assert summary([10, 20, 30, 40, 100], [True] * 4 + [False, None]) == Summary(5, 30, 76, 0.8, 40)
