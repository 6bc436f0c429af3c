"""Spells: both clocks, business time on the nights the clocks change, one number after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conversations import spells
from conversations.models import CalendarVersion, Spell, Thread
from listening.models import Source
from listening.signals import mentions_arrived
from tests.cast import Cast, account_of, hear, item, source_of

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")
OFFICE = {str(day): [["09:00", "18:00"]] for day in range(5)}


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The told time alone counts."""
    monkeypatch.setattr(mentions_arrived, "receivers", [])


@pytest.fixture
def network(cast: Cast) -> Source:
    account = account_of(cast.nivalta, "https://social.example")
    return source_of(cast.nivalta, "mastodon", address="#boots", base_url=account.base_url, account=account)


def asked(network: Source, key: str, said: datetime, found: datetime) -> None:
    hear(network, item(key, "nivalta", published_at=said, conversation_key="1"), now=found)


def answered(network: Source, key: str, to: str, said: datetime) -> None:
    ours = item(key, "there", author="us", ours=True, in_reply_to=to, conversation_key="1", published_at=said)
    hear(network, ours, now=said + timedelta(minutes=1))


def test_the_author_waits_from_the_words_and_the_team_from_their_discovery(network: Source) -> None:
    asked(network, "1", NOW, NOW + timedelta(minutes=20))
    answered(network, "2", "1", NOW + timedelta(minutes=50))
    spell = Spell.objects.get()
    assert (spell.author_seconds, spell.team_seconds) == (3000, 1800)
    assert (spell.author_business_seconds, spell.team_business_seconds) == (3000, 1800)


def test_an_answer_from_before_the_discovery_costs_the_team_nothing(network: Source) -> None:
    asked(network, "1", NOW, NOW + timedelta(minutes=20))
    answered(network, "2", "1", NOW + timedelta(minutes=10))
    spell = Spell.objects.get()
    assert (spell.author_seconds, spell.team_seconds) == (600, 0)


def test_spells_are_numbered_and_later_words_do_not_begin_anew(network: Source) -> None:
    for number, (ask, more, answer) in enumerate(((0, 5, 10), (20, 25, 30), (40, 45, 50))):
        begin = str(number * 10 + 1)
        asked(network, begin, NOW + timedelta(minutes=ask), NOW + timedelta(minutes=ask))
        asked(network, begin + "more", NOW + timedelta(minutes=more), NOW + timedelta(minutes=more))
        answered(network, begin + "us", begin, NOW + timedelta(minutes=answer))
    found = list(Spell.objects.order_by("number").values_list("number", "outcome", "team_seconds"))
    assert found == [(1, "answered", 600), (2, "answered", 600), (3, "answered", 600)]


@pytest.mark.parametrize(
    ("asked_at", "answered_at", "wall_hours", "business_hours"),
    [
        (datetime(2026, 3, 27, 17, tzinfo=ROME), datetime(2026, 3, 30, 10, tzinfo=ROME), 64, 2),  # clocks go forward
        (datetime(2026, 10, 23, 17, tzinfo=ROME), datetime(2026, 10, 26, 10, tzinfo=ROME), 66, 2),  # and back
        (datetime(2026, 5, 2, 10, tzinfo=ROME), datetime(2026, 5, 2, 12, tzinfo=ROME), 2, 0),  # a Saturday
    ],
)
def test_business_time_over_a_weekend(
    cast: Cast, network: Source, asked_at: datetime, answered_at: datetime, wall_hours: float, business_hours: float
) -> None:
    CalendarVersion.objects.create(
        brand=cast.nivalta, zone="Europe/Rome", weekly=OFFICE, valid_from=datetime(2021, 1, 1, tzinfo=UTC)
    )
    asked(network, "1", asked_at.astimezone(UTC), asked_at.astimezone(UTC))
    assert Thread.objects.get().due_at == spells.due(Spell.objects.get())
    answered(network, "2", "1", answered_at.astimezone(UTC))
    spell = Spell.objects.get()
    assert (spell.team_seconds, spell.team_business_seconds) == (wall_hours * 3600, business_hours * 3600)


def test_a_new_calendar_moves_no_spell_that_began_before(cast: Cast, network: Source) -> None:
    asked(network, "1", NOW, NOW)
    due = Thread.objects.get().due_at
    CalendarVersion.objects.create(
        brand=cast.nivalta,
        zone="Europe/Rome",
        weekly={"6": [["09:00", "10:00"]]},
        valid_from=NOW + timedelta(minutes=1),
    )
    answered(network, "2", "1", NOW + timedelta(minutes=30))
    spell = Spell.objects.get()
    assert (spell.due_at, spells.due(spell), spell.team_business_seconds) == (due, due, 1800)
