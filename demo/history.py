"""The demo's whole past, up to this moment: company, two years of conversations, today's work, and what is read."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Brand
from demo import company as first_day
from demo import ledger, replay
from demo.company import Company
from demo.plot import WEEKS, Plot
from demo.today import todays_work


def is_empty() -> bool:
    return not Brand.objects.exists()


def load(now: datetime, weeks: float = WEEKS, processes: int = 1) -> Company:
    """Loads the last `weeks` weeks into an empty database, as its owner, in several processes at once if told so.

    Deterministic in `now`, but for the order of ids among processes."""
    with transaction.atomic():
        company = first_day.found(now)
    stories = [*Plot(now, weeks).stories(), *todays_work(now)]
    ledger.know_people(stories, company)
    replay.play(company, stories, processes)
    with transaction.atomic():
        first_day.finish(company)
        ledger.settle(company)
    return company
