"""The report: its figures agree with a slow, obvious count, with the lists behind them, and with the CSV."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from statistics import median, quantiles
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.binding import bound
from accounts.models import AuditEntry, Brand
from conversations import spells
from conversations.models import CalendarVersion, Contact, Message, Spell, Thread
from conversations.reports import export, response_times
from conversations.reports.figures import kaplan_meier, met
from conversations.reports.response_times import Figures, Selection
from listening.models import Coverage, Source
from tests.cast import Cast, source_of
from tests.listening.corpora import corpus

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 4, 15, 30, tzinfo=UTC)
"""A Wednesday. The clocks went back on the Sunday of a week before, 25 October."""
NUMBERS = count(1)
OFFICE = {str(day): [["09:00", "13:00"], ["14:00", "18:00"]] for day in range(5)}


def said(
    source: Source, at: datetime, *, lag: timedelta = timedelta(), private: bool = False, thread: Thread | None = None
) -> Thread:
    """Somebody says something at `at`, found after `lag`, and waits."""
    with bound("poller"):
        if thread is None:
            thread = Thread.objects.create(
                brand=source.brand,
                scope="mastodon",
                root_key=f"root-{next(NUMBERS)}",
                contact=Contact.objects.create(name="Passolento", since=at),
                source=source,
                network="mastodon",
                private=private,
                opened_at=at,
                last_message_at=at,
                last_inbound_at=at,
            )
        message = Message.objects.create(thread=thread, direction=Message.Direction.INBOUND, at=at, team_at=at + lag)
        spells.begin(thread, message)
        thread.save()
    return thread


def ended(thread: Thread, at: datetime, outcome: str = Spell.Outcome.ANSWERED, reason: str = "") -> Thread:
    with bound("poller"):
        answer = None
        if outcome == Spell.Outcome.ANSWERED:
            answer = Message.objects.create(thread=thread, direction=Message.Direction.OUTBOUND, at=at, team_at=at)
        spells.end(thread, outcome, at, answered_by=answer, reason=reason)
        thread.save()
    return thread


def office_hours(brand: Brand) -> None:
    CalendarVersion.objects.filter(brand=brand).update(weekly=OFFICE, holidays={"2026-11-02": "All Souls"})


def history(cast: Cast, now: datetime) -> list[Source]:
    """Two sources, some thirty weeks, every outcome, one thread after another with several spells."""
    chance = random.Random(5)
    office_hours(cast.nivalta)
    sources = [source_of(cast.nivalta, address=f"https://{name}.example/", name=name) for name in ("Blog", "Forum")]
    elsewhere = source_of(cast.brontola, address="https://other.example/")
    for _ in range(130):
        source = chance.choice([*sources, *sources, *sources, elsewhere])
        at = now - timedelta(seconds=chance.randint(3600, 30 * 7 * 86_400))
        lag = timedelta(hours=chance.choice([0, 0, 0, 1, 30]))
        thread = said(source, min(at, now - lag), lag=lag, private=chance.random() < 0.1)
        for _ in range(chance.choice([0, 1, 1, 2, 2])):
            assert thread.waiting_since is not None
            at = thread.waiting_since + timedelta(seconds=chance.choice([600, 5000, 90_000, 400_000]) * chance.random())
            if at > now:
                break
            outcome = chance.choice([*12 * [Spell.Outcome.ANSWERED], *Spell.Outcome.values[2:]])
            ended(thread, at, outcome, "thanks_only" if outcome == Spell.Outcome.NO_REPLY_NEEDED else "")
            if at + timedelta(hours=2) > now or chance.random() < 0.4:
                break
            said(source, at + timedelta(hours=1), thread=thread)
    return sources


# ── a slow, obvious count ───────────────────────────────────────────────────────────────────────────────────────────


def slowly(chosen: Selection, first_day: date, past: datetime, week: date | None = None) -> dict[str, Any]:
    """The figures of the spells between a local day and a moment, counted one by one."""
    column = f"{chosen.clock}_{'business_' if chosen.hours == 'business' else ''}seconds"
    rows = [
        spell
        for spell in Spell.objects.filter(brand=chosen.brand)
        if spell.team_started_at < past
        and spell.team_started_at.astimezone(ROME).date() >= first_day
        and chosen.source in (None, spell.source_id)
        and week in (None, monday_of(spell.team_started_at))
    ]
    counted = [spell for spell in rows if not spell.left_out]
    answered = [spell for spell in counted if spell.outcome == "answered"]
    still_open = [spell for spell in counted if spell.outcome == "open"]
    kept = [met(s.due_at, s.ended_at if s in answered else None, s.ended_at, chosen.now) for s in counted]
    return {
        "first": times([getattr(spell, column) for spell in answered if spell.number == 1]),
        "reply": times([getattr(spell, column) for spell in answered]),
        "met": kept.count(True),
        "missed": kept.count(False),
        "open": len(still_open),
        "overdue": sum(spell.due_at < chosen.now for spell in still_open),
        "oldest": min((spell.team_started_at for spell in still_open), default=None),
        "late_find": sum(spell.left_out == "late_find" for spell in rows),
        "private": sum(spell.left_out == "private" for spell in rows),
        "withdrawn": sum(spell.outcome == "withdrawn" for spell in counted),
    }


def monday_of(at: datetime) -> date:
    day = at.astimezone(ROME).date()
    return day - timedelta(days=day.weekday())


def times(values: list[float]) -> list[Any]:
    if len(values) < 5:
        return [len(values), None, None]
    return [len(values), *map(pytest.approx, (median(values), quantiles(values, n=10, method="inclusive")[-1]))]


def shown(figures: Figures) -> dict[str, Any]:
    found = {name: getattr(figures, name) for name in Figures.__slots__}
    return found | {name: [found[name].n, found[name].median, found[name].p90] for name in ("first", "reply")}


NOTHING = shown(Figures())


def test_every_figure_agrees_with_a_slow_count(cast: Cast) -> None:
    blog, _forum = history(cast, NOW)
    compared = 0
    for weeks, source, clock, hours in [
        (4, None, "team", "business"),
        (12, None, "author", "business"),
        (12, blog.pk, "team", "calendar"),
        (26, None, "team", "business"),
        (52, blog.pk, "author", "calendar"),
    ]:
        chosen = Selection(cast.nivalta, NOW, weeks, source, clock, hours)
        found = response_times.report(chosen)
        first_day = date(2026, 11, 2) - timedelta(weeks=weeks - 1)
        assert shown(found.now) == slowly(chosen, first_day, NOW)
        a_period_ago = (NOW.astimezone(ROME) - timedelta(weeks=weeks)).astimezone(UTC)
        assert shown(found.before) == slowly(chosen, first_day - timedelta(weeks=weeks), a_period_ago)
        assert len(chosen.mondays) == weeks
        for monday in chosen.mondays:
            of_week = slowly(chosen, first_day, NOW, monday)
            assert shown(found.by_week.get(monday, Figures())) == of_week
            compared += of_week != NOTHING
        for pk in (one.pk for one in Source.objects.filter(brand=cast.nivalta) if source in (None, one.pk)):
            alone = slowly(Selection(cast.nivalta, NOW, weeks, pk, clock, hours), first_day, NOW)
            assert shown(found.by_source.get(pk, Figures())) == alone
        older = Spell.objects.filter(brand=cast.nivalta, outcome="open", left_out="", team_started_at__lt=chosen.since)
        older = older.filter(source_id=source) if source else older
        assert found.waiting_earlier == older.count()
    assert compared > 50


def test_the_estimate_counts_those_who_still_wait(cast: Cast) -> None:
    history(cast, NOW)
    chosen = Selection(cast.nivalta, NOW, 52)
    _first, reply = response_times.estimates(chosen)
    rows = [spell for spell in Spell.objects.filter(brand=cast.nivalta) if not spell.left_out]
    calendar = spells.calendar_of(CalendarVersion.objects.get(brand=cast.nivalta))
    durations = [
        calendar.business_seconds(s.team_started_at, NOW)
        if s.team_business_seconds is None
        else s.team_business_seconds
        for s in rows
    ]
    answered = [spell.outcome == "answered" for spell in rows]
    assert reply.median == kaplan_meier(durations, answered, 0.5)
    assert reply.median is not None
    plain = response_times.report(chosen).now.reply.median
    assert plain is not None
    assert reply.median > plain


# ── weeks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "monday",
    [date(2026, 10, 19), date(2026, 10, 26), date(2026, 3, 23), date(2026, 3, 30), date(2025, 12, 29)],
    ids=["before the clocks go back", "after", "before they go forward", "after they did", "over new year"],
)
def test_a_week_begins_at_midnight_of_its_monday_in_the_brands_zone(cast: Cast, monday: date) -> None:
    source = source_of(cast.nivalta)
    midnight = datetime(monday.year, monday.month, monday.day, tzinfo=ROME).astimezone(UTC)
    for at in (midnight - timedelta(seconds=1), midnight, midnight + timedelta(seconds=1)):
        ended(said(source, at), at + timedelta(minutes=5))
    chosen = Selection(cast.nivalta, NOW, 52)
    found = response_times.report(chosen).by_week
    for week, expected in ((monday - timedelta(weeks=1), 1), (monday, 2)):
        assert found[week].reply.n == expected
        assert response_times.behind(chosen, "reply", week).count() == expected


def test_the_period_before_is_as_long_on_the_clocks_of_the_brand(cast: Cast) -> None:
    chosen = Selection(cast.nivalta, NOW, 4)
    assert chosen.since == datetime(2026, 10, 11, 22, tzinfo=UTC)
    assert chosen.before == (
        datetime(2026, 9, 13, 22, tzinfo=UTC),
        datetime(2026, 10, 7, 14, 30, tzinfo=UTC),
    )


def test_a_week_is_marked_when_a_source_was_deaf(cast: Cast) -> None:
    deaf, partly, elsewhere = (
        source_of(brand, address=f"https://{name}.example/", name=name)
        for brand, name in ((cast.nivalta, "deaf"), (cast.nivalta, "partly"), (cast.brontola, "elsewhere"))
    )
    for source, silent in ((deaf, 9), (partly, 8), (elsewhere, 168)):
        Coverage.objects.bulk_create(
            Coverage(
                source=source,
                hour=datetime(2026, 10, 25, 23, tzinfo=UTC) + timedelta(hours=hour),
                status=("failed", "paused", "throttled")[hour % 3] if hour < silent else "checked",
            )
            for hour in range(168)
        )
    chosen = Selection(cast.nivalta, NOW, 4)
    ears = response_times.ears(chosen)
    assert {ear.name: ear.deaf for ear in ears} == {"deaf": [date(2026, 10, 26)], "partly": []}


def test_the_page_names_the_source_that_was_deaf(cast: Cast, signed_in: Callable[[str], Client]) -> None:
    now = timezone.now()
    source, other = (source_of(cast.nivalta, address=f"https://{n}.example/", name=n) for n in ("Blog", "Forum"))
    Coverage.objects.create(source=source, hour=now - timedelta(weeks=2), status="failed")
    client = signed_in("giulia")
    page = client.get("/b/nivalta/reports/?weeks=4")
    assert [week.deaf_sources for week in page.context["series"]] == [[], ["Blog"], [], []]
    assert "we could not always listen: Blog" in page.content.decode()
    alone = client.get(f"/b/nivalta/reports/?weeks=4&source={other.pk}")
    assert not any(week.deaf for week in alone.context["series"])


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fewer_than_five_values_show_their_number_alone(cast: Cast, signed_in: Callable[[str], Client]) -> None:
    source, now = source_of(cast.nivalta), timezone.now()
    for minutes in (10, 20, 30, 40):
        ended(said(source, now - timedelta(hours=1)), now - timedelta(minutes=minutes))
    client = signed_in("giulia")
    page = client.get("/b/nivalta/reports/")
    first = page.context["figures"][0]
    assert (first["n"], first["seconds"], page.context["share"]["percent"]) == (4, None, None)
    assert page.context["sentence"].startswith("Too few")
    ended(said(source, now - timedelta(hours=1)), now - timedelta(minutes=30))
    page = client.get("/b/nivalta/reports/")
    assert (page.context["figures"][0]["n"], page.context["figures"][0]["seconds"]) == (5, pytest.approx(1800))
    assert page.context["share"]["percent"] == 100
    assert "30\xa0min" in page.content.decode()


def test_each_figure_opens_the_list_behind_it(cast: Cast, signed_in: Callable[[str], Client]) -> None:
    history(cast, timezone.now())
    client = signed_in("giulia")
    for query in ("weeks=52", "weeks=26&clock=author&hours=calendar"):
        shown = client.get(f"/b/nivalta/reports/?{query}").context
        counts = [(figure["list_url"], figure["n"]) for figure in shown["figures"]]
        counts += [(shown["share"]["list_url"], shown["share"]["n"])]
        waiting = shown["waiting"]
        counts += [(waiting["list_url"], waiting["open"]), (waiting["overdue_url"], waiting["overdue"])]
        counts += [(waiting["earlier_url"], waiting["earlier"])]
        counts += [(week.list_url, week.n) for week in shown["series"]]
        counts += [(row["list_url"], row["n"]) for row in shown["by_source"]]
        counts += [(row["waiting_url"], row["waiting"]) for row in shown["by_source"]]
        counts += [(one["list_url"], one["n"]) for one in shown["left_out"]]
        assert len(shown["left_out"]) == 3
        for url, n in counts:
            total, seen = walk(client, url)
            assert (total, len(seen), len(set(seen))) == (n, n, n), url


def walk(client: Client, url: str) -> tuple[int, list[int]]:
    """The number that a list names, and the spells on all its pages."""
    seen, next_url, total = [], url, 0
    while next_url:
        page = client.get(next_url)
        seen += [spell.pk for spell in page.context["rows"]]
        total, next_url = page.context["total"], page.context["more_url"]
        next_url = next_url and "/b/nivalta/reports/list/" + next_url
    return total, seen


def test_a_list_goes_on_where_its_page_ended(
    cast: Cast, signed_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.views.reports.PAGE", 3)
    source, now = source_of(cast.nivalta), timezone.now()
    for hours in (5, 4, 4, 4, 3, 3, 2):
        said(source, now - timedelta(hours=hours))
    client = signed_in("giulia")
    total, seen = walk(client, "/b/nivalta/reports/list/?figure=waiting")
    ordered = Spell.objects.order_by("team_started_at", "pk").values_list("pk", flat=True)
    assert (total, seen) == (7, list(ordered))
    for mark in ("nonsense", "2026-11-04_3", "_", "2026-11-04T10:00:00+00:00_x"):
        assert client.get("/b/nivalta/reports/list/", {"figure": "waiting", "after": mark}).status_code == 200
    assert client.get("/b/nivalta/reports/list/?figure=invented").status_code == 404


def test_the_csv_computes_to_the_page(cast: Cast, signed_in: Callable[[str], Client]) -> None:
    history(cast, timezone.now())
    client = signed_in("giulia")
    columns = {
        ("team", "business"): "business_seconds",
        ("team", "calendar"): "calendar_seconds",
        ("author", "business"): "author_business_seconds",
        ("author", "calendar"): "author_calendar_seconds",
    }
    for (clock, hours), column in columns.items():
        query = f"?weeks=26&clock={clock}&hours={hours}"
        page = client.get(f"/b/nivalta/reports/{query}").context
        rows = list(csv.DictReader(io.StringIO(client.get(f"/b/nivalta/reports/spells.csv{query}").content.decode())))
        counted = [row for row in rows if not row["left_out"]]
        answered = [row for row in counted if row["outcome"] == "answered"]
        first = [float(row[column]) for row in answered if row["first"] == "yes"]
        reply = [float(row[column]) for row in answered]
        assert [(figure["n"], figure["seconds"]) for figure in page["figures"]] == [
            (len(first), pytest.approx(median(first))),
            (len(first), pytest.approx(quantiles(first, n=10, method="inclusive")[-1])),
            (len(reply), pytest.approx(median(reply))),
            (len(reply), pytest.approx(quantiles(reply, n=10, method="inclusive")[-1])),
        ]
        everyone = [float(row[column]) for row in counted], [row["outcome"] == "answered" for row in counted]
        assert page["figures"][2]["estimate"] == kaplan_meier(*everyone, 0.5)
        kept = [row["met"] for row in counted]
        assert page["share"]["n"] == kept.count("yes") + kept.count("no")
        assert page["share"]["percent"] == pytest.approx(100 * kept.count("yes") / page["share"]["n"])
        still_open = [row for row in counted if row["outcome"] == "open"]
        assert page["waiting"]["open"] == len(still_open)
        assert page["waiting"]["overdue"] == sum(row["met"] == "no" for row in still_open)
        for source in page["by_source"]:
            assert source["n"] == sum(row["source"] == source["name"] for row in answered)
        weeks = [monday_of(datetime.fromisoformat(row["started_at_team"])) for row in answered]
        assert [week.n for week in page["series"]] == [weeks.count(week.start) for week in page["series"]]
        left_out = [row["left_out"] for row in rows if row["left_out"]]
        assert sum(one["n"] for one in page["left_out"]) == len(left_out) + sum(
            row["outcome"] == "withdrawn" for row in counted
        )


def test_the_page_asks_few_questions(cast: Cast, signed_in: Callable[[str], Client]) -> None:
    source = history(cast, timezone.now())[0]
    client = signed_in("giulia")
    for query in ("", f"?weeks=52&source={source.pk}&clock=author"):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(f"/b/nivalta/reports/{query}").status_code == 200
        around = ("BEGIN", "COMMIT", "set_config", "django_session", "accounts_login", "accounts_person")
        own = [one["sql"] for one in asked if not any(word in one["sql"] for word in around)]
        assert len(own) <= 8, "\n".join(own)


def test_what_cannot_be_read_in_the_address_is_taken_as_not_said(
    cast: Cast, signed_in: Callable[[str], Client]
) -> None:
    client = signed_in("marta")
    page = client.get("/b/nivalta/reports/?weeks=900&clock=sun&hours=none&source=x")
    assert page.context["chosen"] == {"weeks": 12, "source": "", "clock": "team", "hours": "business"}
    assert page.context["sentence"].endswith("Nobody is waiting now.")
    theirs = source_of(cast.brontola)
    assert client.get(f"/b/nivalta/reports/?source={theirs.pk}").status_code == 404


def test_only_the_team_of_the_brand_sees_its_report(cast: Cast, signed_in: Callable[[str], Client]) -> None:
    for place in ("", "list/", "spells.csv"):
        assert signed_in("marta").get(f"/b/nivalta/reports/{place}").status_code == 200
        for stranger in ("ivo", "sandro"):
            assert signed_in(stranger).get(f"/b/nivalta/reports/{place}").status_code == 404


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_takes_the_file_is_recorded(cast: Cast, signed_in: Callable[[str], Client]) -> None:
    answer = signed_in("giulia").get("/b/nivalta/reports/spells.csv?weeks=4")
    entry = AuditEntry.objects.get(action="report.exported")
    assert (entry.actor_id, entry.object_type, entry.object_id) == (cast.giulia.pk, "brand", cast.nivalta.pk)
    assert entry.meta == {"weeks": 4, "source": None, "definition": "1"}
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="ascolto-nivalta-definitions-1-Europe-Rome-' in answer.headers["Content-Disposition"]


def test_a_row_says_what_the_page_of_definitions_says(cast: Cast) -> None:
    office_hours(cast.nivalta)
    source = source_of(cast.nivalta, name="=1+1")
    friday = datetime(2026, 10, 30, 16, 30, tzinfo=UTC)  # 17:30 in Rome
    ended(said(source, friday, lag=timedelta(minutes=10)), datetime(2026, 11, 3, 8, 30, tzinfo=UTC))
    said(source, NOW - timedelta(hours=1))
    answered, still_open = csv.DictReader(io.StringIO(export.to_csv(Selection(cast.nivalta, NOW, 4))))
    spell = Spell.objects.get(outcome="answered")
    assert answered == {
        "spell": str(spell.pk),
        "thread": str(spell.thread_id),
        "brand": "Nivalta",
        "source": "'=1+1",
        "network": "mastodon",
        "first": "yes",
        "started_at_author": "2026-10-30T16:30:00Z",
        "started_at_team": "2026-10-30T16:40:00Z",
        "ended_at": "2026-11-03T08:30:00Z",
        "outcome": "answered",
        "reason": "",
        "answered_by": "outside",
        "calendar_seconds": str(316_200.0),
        "business_seconds": str(20 * 60 + 30 * 60.0),  # All Souls was a holiday
        "author_calendar_seconds": str(316_800.0),
        "author_business_seconds": str(30 * 60 + 30 * 60.0),
        "due_at": "2026-11-03T09:10:00Z",
        "met": "yes",
        "left_out": "",
    }
    still_open = {name: still_open[name] for name in ("outcome", "ended_at", "business_seconds", "met", "answered_by")}
    assert still_open == {"outcome": "open", "ended_at": "", "business_seconds": "3600.0", "met": "", "answered_by": ""}


def test_no_cell_runs_in_a_spreadsheet() -> None:
    for cell in corpus("csv-injection/cells.json"):
        file = io.StringIO()
        csv.writer(file).writerow([export.safe(cell)])
        ((read,),) = csv.reader(io.StringIO(file.getvalue(), newline=""))
        bare = read.lstrip(" \t\r\n\xa0\u2003\u3000\ufeff\u200b\u200c\u200d\u2060\"';,")
        assert read.startswith("'") or not bare.startswith(tuple("=+-@\t\r＝＋－＠")), repr(cell)
        assert read.replace("'", "") == cell.replace("'", "")


@pytest.mark.parametrize("cell", ["Blog", "-5", "+3.25", "1e5", "Rock'n'roll", "Nivalta = boots", "a, -b", ""])
def test_harmless_cells_stay_as_they_are(cell: str) -> None:
    assert export.safe(cell) == cell


@pytest.mark.parametrize(
    ("cell", "expected"), [("@nivalta", "'@nivalta"), ("x;=1+1", "x;'=1+1"), ("-5+cmd", "'-5+cmd"), ("\tx", "'\tx")]
)
def test_a_cell_that_would_run_gets_an_apostrophe(cell: str, expected: str) -> None:
    assert export.safe(cell) == expected
