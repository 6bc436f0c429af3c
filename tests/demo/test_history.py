"""The demo's history: complete, deterministic, and true to the product's own rules."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from accounts import audit
from accounts.models import Brand, Engagement, Login, Membership, Person
from conversations import queues, spells
from conversations.models import Advice, Message, Reply, Spell, Thread
from demo import company, history, places
from demo.acts import AnsweredOutside, Closed, Replied, Said, Story
from demo.bank import SLOT, bank
from demo.desk import Desk
from demo.plot import Plot
from demo.sandbox.api import ELSEWHERE
from demo.sandbox.people import BY_NAME
from demo.today import todays_work
from listening.connectors import REGISTER
from listening.models import Item, Source

WEEKS = 3
MONDAY_EVENING = datetime(2026, 11, 23, 20, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def two_years() -> list[Story]:
    return [*Plot(MONDAY_EVENING).stories(), *todays_work(MONDAY_EVENING)]


@pytest.fixture
def _invented_world(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    for ear in places.INVENTED:
        monkeypatch.setitem(REGISTER, ear.kind, ear)


# ── the plan of two years ───────────────────────────────────────────────────────────────────────────────────────────


def test_two_years_have_at_least_three_thousand_conversations(two_years: list[Story]) -> None:
    assert len(two_years) >= 3000
    assert {story.brand for story in two_years} == {"nivalta", "brontola"}
    assert len({story.key for story in two_years}) == len(two_years)


def test_the_same_moment_tells_the_same_stories(two_years: list[Story]) -> None:
    assert [*Plot(MONDAY_EVENING).stories(), *todays_work(MONDAY_EVENING)] == two_years


def test_every_slot_is_filled(two_years: list[Story]) -> None:
    texts = [act.text for story in two_years for act in story.acts if isinstance(act, Said | AnsweredOutside | Replied)]
    assert [text for text in texts if SLOT.search(text)] == []
    assert all(text and text[0] == text[0].upper() for text in texts)


def test_nobody_works_outside_their_weeks(two_years: list[Story]) -> None:
    people = {one["id"]: one for key in ("staff", "former_staff") for one in bank()["company"][key]}
    for story in two_years:
        for act in story.acts:
            who = people.get(getattr(act, "by", ""))
            if who is not None:
                week = (act.at - MONDAY_EVENING) / timedelta(weeks=1)
                assert who["from_week"] - 1 <= week
                assert not who["to_week"] or week <= who["to_week"]
                assert story.brand in who["brands"]


def test_answers_come_sooner_and_sooner_since_the_voice_is_at_home(two_years: list[Story]) -> None:
    desk = Desk(MONDAY_EVENING, random.Random(0))

    def median(first: int, last: int) -> float:
        waits = []
        for story in two_years:
            answer = next((act for act in story.acts if isinstance(act, Replied | AnsweredOutside)), None)
            week = (story.began - MONDAY_EVENING) / timedelta(weeks=1)
            if answer and first <= week < last and isinstance(story.acts[0], Said):
                heard = story.acts[0].heard_at
                waits.append(desk.hours(heard).business_seconds(heard, answer.at))
        return sorted(waits)[len(waits) // 2]

    assert median(-104, -62) > median(-52, -30) > median(-15, -1)


def test_no_text_of_the_house_goes_to_two_authors_within_a_month_but_a_few(two_years: list[Story]) -> None:
    sent = sorted(
        (act.at, act.bank_id) for s in two_years for act in s.acts if isinstance(act, Replied) and act.bank_id
    )
    last: dict[str, datetime] = {}
    again = 0
    for at, bank_id in sent:
        again += bank_id in last and at - last[bank_id] < timedelta(days=30)
        last[bank_id] = at
    assert again < 0.1 * sum(isinstance(act, Replied) for story in two_years for act in story.acts)


def test_the_past_is_settled(two_years: list[Story]) -> None:
    """Everything but today's work is closed, or waits for its author."""
    for story in two_years:
        if story.began < MONDAY_EVENING - timedelta(weeks=8):
            turns = [act for act in story.acts if isinstance(act, Said | AnsweredOutside | Replied | Closed)]
            assert not isinstance(turns[-1], Said), story


# ── loaded through the product's functions ──────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_invented_world")
def test_a_loaded_history_is_true_to_the_product() -> None:
    """One load for all that is asked of it: it takes seconds."""
    loaded = history.load(timezone.now(), WEEKS)
    promises_are_kept(loaded)
    today_looks_like_a_working_day(loaded)
    three_people_can_log_in_and_nobody_else(loaded)
    sources_stand_as_in_a_company()


def promises_are_kept(loaded: company.Company) -> None:
    assert Thread.objects.count() > 60
    assert audit.first_bad_entry() is None
    for spell in Spell.objects.exclude(outcome="open").select_related("calendar"):
        told = _figures(spell)
        spells.measure(spell)
        assert _figures(spell) == told
    assert not Thread.objects.filter(waiting_since__isnull=False, due_at=None).exists()
    assert not Thread.objects.filter(last_message_at__gt=loaded.now).exists()
    assert not Item.objects.filter(text__regex=r"\{\w+\}").exists()
    assert set(Reply.objects.values_list("state", flat=True)) == {"sent", "draft"}
    wrong = Thread.objects.filter(owner__isnull=False).exclude(
        owner__in=Membership.objects.filter(brand__in=Brand.objects.all()).values("staff")
    )
    assert not wrong.exists()
    assert not Message.objects.exclude(reply=None).exclude(reply__author__brands=F("thread__brand")).exists()


def _figures(spell: Spell) -> tuple[float | None, ...]:
    return spell.team_seconds, spell.team_business_seconds, spell.author_seconds, spell.author_business_seconds


def today_looks_like_a_working_day(loaded: company.Company) -> None:
    nivalta, marta = loaded.brands["nivalta"], loaded.people["marta"]
    counts = queues.counts(nivalta, marta, loaded.now).totals
    assert 10 <= counts["triage"] <= 20
    assert 5 <= counts["mine"] <= 8
    assert counts["snoozed"] == 3
    assert counts["waiting"] >= 1
    groups = queues.grouped(
        queues.page(nivalta, marta, "triage").threads, "triage", loaded.now, loaded.now + timedelta(hours=6)
    )
    assert [group["key"] for group in groups][:3] == ["overdue", "hour", "today"]

    passo = Thread.objects.get(snippet__contains="a prova di ghiaione", state="open")
    assert passo.owner_id == marta.pk
    assert passo.due_at is not None
    assert timedelta(minutes=20) < loaded.now - passo.due_at < timedelta(minutes=30)
    assert passo.notes.count() == 1
    assert Advice.objects.get(thread=passo).quote == "«a prova di ghiaione». Lo pensate davvero?"
    assert [reply.state for reply in passo.replies.order_by("created_at")] == ["sent", "draft"]


def three_people_can_log_in_and_nobody_else(loaded: company.Company) -> None:
    able = {login.email for login in Login.objects.all() if login.check_password(company.PASSWORD)}
    assert able == set(company.LOGINS)
    assert not Person.objects.get(name="Lorenzo Pradarena").active
    running = [engagement for engagement in Engagement.objects.all() if engagement.runs_at(loaded.now)]
    assert [person.email for person in running[0].consultants.order_by("pk")] == [
        company.LOGINS[2],
        "emma@demo.example",
    ]
    assert len(running) == 1


def sources_stand_as_in_a_company() -> None:
    states = Counter(Source.objects.values_list("state", flat=True))
    assert states["paused"] == 1
    assert set(Source.objects.filter(failures__gt=0).values_list("name", flat=True)) == {"Il Gazzettino delle Cime"}
    assert not Source.objects.filter(warm_until__isnull=False).exists()
    heard = Source.objects.exclude(steady=True).filter(state="active", failures=0)
    assert all(source.fetches.exists() and source.coverage.exists() for source in heard)


def test_history_can_be_answered(sandbox: Any) -> None:
    """The sandbox knows a post of another server by its id alone, and publishes an answer to it."""
    said = {"status": "Ci siamo.", "in_reply_to_id": str(ELSEWHERE[900_000])}
    token = {"Authorization": f"Bearer {BY_NAME['nivalta'].token}"}
    answer = httpx.post(f"{sandbox.url}/api/v1/statuses", json=said, headers=token)
    assert (answer.status_code, answer.json()["in_reply_to_id"]) == (200, said["in_reply_to_id"])


@pytest.mark.django_db(transaction=True)
def test_a_database_with_a_company_is_left_alone() -> None:
    Brand.objects.create(slug="real", name="Real")
    said = StringIO()
    call_command("demo", stdout=said)
    assert re.match("This database already has a company", said.getvalue())
    assert Brand.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_real_installation_refuses(settings: Any) -> None:
    settings.DEMO = settings.TESTING = False
    with pytest.raises(CommandError, match="never into a real installation"):
        call_command("demo")
