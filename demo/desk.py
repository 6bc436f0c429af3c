"""Who is on duty, and when an answer goes out: the pace of two years (README of the content: 'Who answers')."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

from conversations.reports.clock import Calendar, holidays_of
from demo import company
from demo.bank import ROME, Entry, bank

HOME = {"nivalta": -62, "brontola": -58}
"""Since this week the brand's own people answer; before, the outsourcer did."""
MIXED_UNTIL = -52
WEIGHTS = {"marta": 5, "teo": 4, "judith": 4, "samir": 4, "lorenzo": 3, "ilaria": 0.6, "ottavia": 0}
SPREAD_AGENCY, SPREAD_HOME, SPREAD_RECALL = 0.55, 1.35, 1.0
"""Sigma of the logarithm of delays: p90 is some five times the median at home."""


class Desk:
    """The team's side of the history."""

    def __init__(self, now: datetime, dice: random.Random) -> None:
        self.now, self.dice = now, dice
        years = range(now.year - 3, now.year + 2)
        holidays = set(holidays_of("IT", years, "it_IT"))
        self._office = Calendar("Europe/Rome", company.WEEKDAYS, holidays)  # type: ignore[arg-type]
        self._skeleton = Calendar("Europe/Rome", company.SKELETON, holidays)  # type: ignore[arg-type]
        self._on_call = Calendar("Europe/Rome", company.ON_CALL)  # type: ignore[arg-type]
        self.recall = company.recall_start(now)
        self._people = {entry["id"]: entry for key in ("staff", "former_staff") for entry in bank()["company"][key]}

    def week_of(self, at: datetime) -> float:
        return (at - self.now) / timedelta(weeks=1)

    def in_recall(self, at: datetime) -> bool:
        return self.recall <= at < self.recall + timedelta(days=company.RECALL_DAYS)

    def is_home(self, brand: str, at: datetime) -> bool:
        """Do the brand's own people answer? In the weeks between, now one, now the other."""
        number = self.week_of(at)
        if number < HOME[brand]:
            return False
        if number < MIXED_UNTIL:
            return self.dice.random() < (number - HOME[brand] + 2) / (MIXED_UNTIL - HOME[brand] + 2)
        return True

    def hours(self, at: datetime) -> Calendar:
        if self.in_recall(at):
            return self._on_call
        local = at.astimezone(ROME)
        return self._skeleton if local.month == 8 and 10 <= local.day <= 21 else self._office

    def after(self, at: datetime, business_seconds: float) -> datetime:
        return self.hours(at).add_business_seconds(at, int(business_seconds)) + timedelta(
            seconds=self.dice.randint(1, 59)
        )

    def answer_time(self, brand: str, since: datetime) -> datetime:
        """When the answer to something heard at `since` goes out."""
        return self.after(since, self._delay(since) * 3600)

    def agency_answer_time(self, since: datetime) -> datetime:
        return self.after(since, self.dice.lognormvariate(math.log(25), SPREAD_AGENCY) * 3600)

    def _delay(self, at: datetime) -> float:
        """Business hours."""
        if self.in_recall(at):
            early = at < self.recall + timedelta(days=2)
            return min(self.dice.lognormvariate(math.log(0.8 if early else 0.4), SPREAD_RECALL), 12)
        share = max(0.0, min(1.0, (self.week_of(at) + 62) / 62))
        median = 4.0 * (1.2 / 4.0) ** share
        local = at.astimezone(ROME)
        if local.month == 8 or (local.month == 12 and local.day > 20):
            median *= 2
        return min(self.dice.lognormvariate(math.log(median), SPREAD_HOME), 32)

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_duty(self, brand: str, at: datetime) -> list[str]:
        number = self.week_of(at)
        return [key for key, entry in self._people.items() if brand in entry["brands"] and _is_there(entry, number)]

    def writer(self, brand: str, at: datetime, language: str, prefer: str = "") -> str:
        """Who answers: somebody on duty who writes the language; the same person as before if possible."""
        present = self.on_duty(brand, at)
        able = [key for key in present if language in self._people[key].get("languages", ["it"])] or present
        if prefer in able:
            return prefer
        if language in ("de", "fr") and "judith" in able:
            return "judith"
        able = [key for key in able if WEIGHTS[key]]
        return self.dice.choices(able, [WEIGHTS[key] for key in able])[0]

    def first_name(self, key: str) -> str:
        return str(self._people[key]["name"]).split()[0]


def _is_there(entry: Entry, number: float) -> bool:
    if number < entry["from_week"] or (entry["to_week"] and number > entry["to_week"]):
        return False
    return not any(start <= number <= end + 1 for start, end in entry.get("away_weeks", []))
