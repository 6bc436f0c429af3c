"""The company as it stands on the first day: brands, people, agency, hours, targets, labels, topics, places."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from accounts.authority import Role
from accounts.models import Agency, Brand, Engagement, Login, Membership, Person, Staff
from conversations.models import CalendarVersion, Label, TargetVersion
from conversations.reports.clock import holidays_of
from demo.bank import ROME, Entry, bank
from demo.sandbox import people as square
from listening import credentials
from listening.models import Account, Source, Topic

PASSWORD = "ascolto-demo"
LOGINS = ("manager@demo.example", "community@demo.example", "consultant@demo.example")
ROLES = {"manager": Role.MANAGER, "community": Role.COMMUNITY_MANAGER, "sponsor": Role.MANAGER}
COLOURS = {"red": 1, "amber": 2, "violet": 3, "green": 4, "blue": 5, "teal": 5, "pink": 6, "slate": 6}
YEARS_BEFORE = timedelta(weeks=104)
OFFICE = [["09:00", "18:00"]]
WEEKDAYS = {str(day): OFFICE for day in range(5)}
ON_CALL = {str(day): [["08:00", "23:00"]] for day in range(7)}
ALWAYS = {str(day): [["00:00", "24:00"]] for day in range(7)}
SKELETON = {str(day): [["10:00", "13:00"]] for day in range(5)}
RECALL_WEEK = -40
RECALL_DAYS = 10
LIVE = timedelta(days=2)
"""So long before the loading the team is on duty round the clock (lot 26-B): the demo's deadlines run at any hour."""
AGENCY_TARGET = 3 * 9 * 3600
QUIET_PLACES = {"youtube", "review"}
"""Our own channel and our own page: what is said there is about us without any topic."""


@dataclass
class Company:
    """What history needs of it, by the bank's own names."""

    now: datetime
    brands: dict[str, Brand] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    labels: dict[tuple[str, str], Label] = field(default_factory=dict)
    """By brand and id in the bank."""
    engagements: dict[str, Engagement] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    sources: dict[tuple[str, str], Source] = field(default_factory=dict)
    """By brand and id in the bank."""


def week(now: datetime, number: float) -> datetime:
    """The same hour, so many weeks from now: the bank counts backwards."""
    return now + timedelta(weeks=number)


def found(now: datetime) -> Company:
    """Makes everything, as the database's owner."""
    company = Company(now)
    for entry in bank()["company"]["brands"]:
        company.brands[entry["slug"]] = Brand.objects.create(
            slug=entry["slug"], name=entry["name"], tagline=entry["tagline"], zone="Europe/Rome", language="it"
        )
    _hire(company)
    _engage(company)
    for brand in company.brands.values():
        _label(company, brand)
        _set_hours(company, brand)
        _set_targets(company, brand)
        _connect(company, brand)
    _name_topics(company)
    _place_sources(company)
    return company


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _hire(company: Company) -> None:
    content = bank()["company"]
    for entry in (*content["staff"], *content["former_staff"]):
        email = entry.get("email", f"{entry['id']}@demo.example")
        person = _person(company, entry["id"], entry["name"], email, ROLES[entry["role"]])
        staff = Staff.objects.create(person=person)
        Membership.objects.bulk_create(Membership(brand=company.brands[slug], staff=staff) for slug in entry["brands"])
    ada = _person(company, "ada", "Ada Pescarolo", "admin@demo.example", Role.ADMINISTRATOR)
    staff = Staff.objects.create(person=ada)
    Membership.objects.bulk_create(Membership(brand=brand, staff=staff) for brand in company.brands.values())


def _person(company: Company, key: str, name: str, email: str, role: Role) -> Person:
    kind = Person.Kind.CONSULTANT if role is Role.CONSULTANT else Person.Kind.STAFF
    person = Person.objects.create(email=email, name=name, kind=kind, role=role, zone="Europe/Rome")
    login = Login(person=person, email=email)
    if email in LOGINS:
        login.set_password(PASSWORD)
    else:
        login.set_unusable_password()
    login.save()
    company.people[key] = person
    return person


def _engage(company: Company) -> None:
    """An engagement of the past is made as if it still ran: the database lets a consultant write only inside a running
    one, and `finish` ends it when its advice is in."""
    content = bank()["company"]
    for entry in content["agencies"]:
        agency = Agency.objects.create(name=entry["name"])
        for one in entry["consultants"]:
            _person(company, one["id"], one["name"], one["email"], Role.CONSULTANT)
        for plan in [plan for plan in content["engagements"] if plan["agency"] == entry["id"]]:
            engagement = Engagement.objects.create(
                agency=agency,
                purpose=plan["purpose"],
                sponsor_id=company.people[plan["sponsor"]].pk,
                starts_at=week(company.now, plan["from_week"]),
                ends_at=week(company.now, max(plan["to_week"], 1)),
            )
            engagement.brands.set(company.brands[slug] for slug in plan["brands"])
            engagement.consultants.set(company.people[key] for key in plan["consultants"])
            company.engagements[plan["id"]] = engagement


def finish(company: Company) -> None:
    """What is over today: former colleagues are inactive, past engagements have ended."""
    former = [company.people[entry["id"]].pk for entry in bank()["company"]["former_staff"]]
    Person.objects.filter(pk__in=former).update(active=False)
    for plan in bank()["company"]["engagements"]:
        ends_at = week(company.now, plan["to_week"])
        Engagement.objects.filter(pk=company.engagements[plan["id"]].pk).update(ends_at=ends_at)


# ── hours and targets ───────────────────────────────────────────────────────────────────────────────────────────────


def _set_hours(company: Company, brand: Brand) -> None:
    """The office's hours, thinner in August, longer in the week of the recall, round the clock at the very end."""
    now = company.now
    years = range((now - YEARS_BEFORE).year - 1, now.year + 2)
    holidays = {day.isoformat(): name for day, name in holidays_of("IT", years, "it_IT").items()}
    moves: dict[datetime, dict[str, list[list[str]]]] = {now - YEARS_BEFORE - timedelta(weeks=4): WEEKDAYS}
    for year in years:
        moves[_midnight(date(year, 8, 10))] = SKELETON
        moves[_midnight(date(year, 8, 22))] = WEEKDAYS
    recall = recall_start(now)
    moves[recall] = ON_CALL
    moves[recall + timedelta(days=RECALL_DAYS)] = WEEKDAYS
    moves[now - LIVE] = ALWAYS
    first = min(moves) if brand else now
    CalendarVersion.objects.bulk_create(
        CalendarVersion(
            brand=brand,
            zone="Europe/Rome",
            weekly=weekly,
            holidays={} if weekly in (ON_CALL, ALWAYS) else holidays,
            valid_from=at,
        )
        for at, weekly in sorted(moves.items())
        if first <= at <= now
    )


def recall_start(now: datetime) -> datetime:
    """Friday at 20:00 of that week: the news reached the networks before the office did."""
    day = (week(now, RECALL_WEEK)).astimezone(ROME).date()
    friday = day - timedelta(days=day.weekday()) + timedelta(days=4)
    return datetime.combine(friday, time(20), ROME).astimezone(UTC)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ROME).astimezone(UTC)


def _set_targets(company: Company, brand: Brand) -> None:
    """In the agency's years one slow figure for all; since the voice is at home, by label."""
    minutes = {one["kind"]: one["first_response_business_minutes"] for one in bank()["company"]["response_targets"]}
    by_label = {
        str(company.labels[brand.slug, entry["id"]].pk): min(
            minutes[kind] for kind in entry["kinds"] if kind in minutes
        )
        * 60
        for entry in bank()["labels"]
        if any(kind in minutes for kind in entry["kinds"])
    }
    TargetVersion.objects.create(
        brand=brand, seconds=AGENCY_TARGET, valid_from=company.now - YEARS_BEFORE - timedelta(weeks=4)
    )
    TargetVersion.objects.create(
        brand=brand, seconds=minutes["question"] * 60, by_label=by_label, valid_from=week(company.now, -58)
    )


def _label(company: Company, brand: Brand) -> None:
    for entry in bank()["labels"]:
        company.labels[brand.slug, entry["id"]] = Label.objects.create(
            brand=brand, name=entry["name"], colour=COLOURS[entry["color"]]
        )


# ── places ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def sandbox_url() -> str:
    return f"http://127.0.0.1:{os.environ.get('SANDBOX_PORT', '8700')}"


def _connect(company: Company, brand: Brand) -> None:
    """The brand's identity on the sandbox network, with all that `voice.identify` would learn there."""
    identity = square.BY_NAME[brand.slug]
    account = Account.objects.create(
        brand=brand,
        kind="mastodon",
        base_url=sandbox_url(),
        remote_id=identity.id,
        handle=f"@{identity.name}@{square.DOMAIN}",
        name=identity.title,
        url=f"{sandbox_url()}/@{identity.name}",
        scopes=["read", "write:statuses"],
        facts={
            "base_url": sandbox_url(),
            "software": "mastodon",
            "max_characters": 500,
            "url_characters": 23,
            "keys": "honoured",
            "key_seconds": 3000,
        },
        connected_by_id=company.people["ada"].pk,
        connected_at=week(company.now, -104),
        checked_at=company.now,
    )
    credentials.seal(account, identity.token)
    company.accounts[brand.slug] = account


def _name_topics(company: Company) -> None:
    for entry in bank()["topics"]:
        Topic.objects.create(
            brand=company.brands[entry["brand"]],
            name=entry["name"],
            any_of=entry["any"],
            all_of=entry["all"],
            none_of=entry["none"],
        )


def _place_sources(company: Company) -> None:
    for entry in bank()["sources"]:
        for slug in entry["brands"]:
            company.sources[slug, entry["id"]] = _source(company, entry, slug)
    for slug in company.brands:
        tag: Entry = {"network": "mastodon", "kind": "hashtag", "name": f"#{slug}", "address": f"/{slug}"}
        company.sources[slug, "tag"] = _source(company, tag, slug)


def _source(company: Company, entry: Entry, slug: str) -> Source:
    """A place of the brand. Those on Mastodon are the sandbox's own: really polled, and answered there."""
    now, brand, kind = company.now, company.brands[slug], entry["network"]
    live = kind == "mastodon"
    tag = entry["kind"] == "hashtag"
    interval = 3.0 if live else 900.0
    address = entry["address"]
    if live:
        address = f"#{address.rpartition('/')[2]}" if tag else "mentions"
    return Source.objects.create(
        brand=brand,
        kind=kind,
        name=entry["name"],
        address=address,
        base_url=sandbox_url() if live else "",
        account=company.accounts[slug] if live else None,
        own_place=kind in QUIET_PLACES or (live and not tag),
        state=Source.State.PAUSED if entry.get("id") == "so-10" else Source.State.ACTIVE,
        added_at=week(now, -104),
        next_poll_at=now,
        interval=interval,
        steady=live,
        last_attempt_at=now,
        last_success_at=now,
    )
