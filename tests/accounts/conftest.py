"""A small world in which everything that may not be seen exists, and stays: tests of authority change nothing in it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts import roles
from accounts.authority import Role
from accounts.binding import bound
from accounts.models import Agency, Brand, Engagement, Login, Membership, Person, Staff
from config.services import Services
from conversations import lifecycle, notes, outbox
from conversations.models import Advice, Event, Label, Message, Note, Reply, Thread
from listening.models import Account, Item, Source, Topic
from tests.cast import Cast, account_of, hear, item, make_cast, source_of

CANARY = {
    name: f"canary-{name}-7f3a"
    for name in ("note", "draft", "leaving", "other-agency", "direct", "aside", "token", "context-aside", "other-brand")
}
"""One word for each thing that a consultant may never read."""


@dataclass
class Place:
    """The threads of a brand, one for each situation."""

    brand: Brand
    source: Source
    account: Account
    open: Thread
    closed: Thread
    leaving: Thread
    direct: Thread
    note: Note
    draft: Reply
    reply: Reply
    advice: Advice
    event: Event
    message: Message
    label: Label
    topic: Topic


@dataclass
class World:
    cast: Cast
    nivalta: Place
    brontola: Place


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Two brands in full. Made once for a module and emptied after it."""
    if not connection.settings_dict["NAME"].startswith("test_"):
        pytest.fail("Run the whole file: pytest-django makes the database only for tests that are marked as using it.")
    with django_db_blocker.unblock():
        try:
            yield _make_world()
        finally:
            call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)


@pytest.fixture(scope="module")
def urls(world: World, services: Services) -> dict[str, str]:
    """The address of the test database for each login of PostgreSQL, as the processes of an installation have it."""
    roles.install(passwords=services.passwords)
    database = connection.settings_dict["NAME"]
    logins = ("owner", *roles.LOGINS)
    return {login: services.environment_for(login, database)["DATABASE_URL"] for login in logins}


@pytest.fixture(scope="module")
def connected(urls: dict[str, str]) -> Iterator[Callable[[str], Any]]:
    """A connection under a real login (owner, web, sender, poller)."""
    opened: dict[str, Any] = {}

    def connect(login: str) -> Any:
        if login not in opened:
            opened[login] = psycopg2.connect(urls[login])
        return opened[login]

    yield connect
    for each in opened.values():
        each.close()


@pytest.fixture(scope="module")
def as_web(world: World, services: Services, urls: dict[str, str]) -> Callable[[], AbstractContextManager[None]]:
    """Inside, Django itself is connected as `web`, as the web process is."""
    owner = dict(connection.settings_dict)

    @contextmanager
    def web() -> Iterator[None]:
        connection.close()
        name = roles.role_name("web", connection.settings_dict["NAME"])
        connection.settings_dict |= {"USER": name, "PASSWORD": services.passwords["web"]}
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict |= {"USER": owner["USER"], "PASSWORD": owner["PASSWORD"]}

    return web


def _make_world() -> World:
    cast = make_cast()
    now = timezone.now()
    _person(cast, "zoe", Role.COMMUNITY_MANAGER, active=False)
    Membership.objects.create(brand=cast.nivalta, staff_id=cast.zoe.pk)
    for name, agency, ends_in in (
        ("tea", "Penna Rossa", timedelta(minutes=1)),
        ("olmo", "Voce Piena", timedelta(minutes=-1)),
        ("bruno", "Terza Riva", timedelta(days=9)),
        ("nora", "Quarto Stato", timedelta(days=9)),
    ):
        _person(cast, name, Role.CONSULTANT, active=name != "nora")
        engage(cast, name, agency, cast.nivalta, now + ends_in)
    world = World(cast, _place(cast, cast.nivalta, "marta", "sandro"), _place(cast, cast.brontola, "ivo", "vera"))
    _others_advice(world, now)
    return world


def _person(cast: Cast, name: str, role: Role, *, active: bool = True) -> None:
    kind = Person.Kind.CONSULTANT if role is Role.CONSULTANT else Person.Kind.STAFF
    person = Person.objects.create(email=f"{name}@example.org", name=name.capitalize(), kind=kind, role=role)
    Login.objects.create(person=person, email=person.email, password="!")
    if kind == Person.Kind.STAFF:
        Staff.objects.create(person=person)
    Person.objects.filter(pk=person.pk).update(active=active)
    cast.people[name] = person


def engage(cast: Cast, consultant: str, agency: str, brand: Brand, ends_at: datetime) -> None:
    engagement = Engagement.objects.create(
        agency=Agency.objects.create(name=agency),
        purpose="Coaching",
        sponsor_id=cast.giulia.pk,
        starts_at=datetime(2020, 1, 1, tzinfo=UTC),
        ends_at=ends_at,
    )
    engagement.brands.add(brand)
    engagement.consultants.add(cast.people[consultant])
    cast.engagements[consultant] = engagement


def _place(cast: Cast, brand: Brand, colleague: str, consultant: str) -> Place:
    """What every brand has: conversations that wait, are closed, have a reply on its way, are direct."""
    now = timezone.now()
    who, name = cast.people[colleague], brand.slug
    account = account_of(brand, f"https://{name}.example", CANARY["token"], handle=name)
    source = source_of(brand, "mastodon", base_url=account.base_url, account=account, own_place=True)
    threads: dict[str, Any] = {}
    for key, given in {
        "open": {},
        "closed": {},
        "leaving": {},
        "direct": {"visibility": "direct", "text": CANARY["direct"]},
    }.items():
        remote = {"id": key, "instance": account.base_url}
        words: dict[str, Any] = {"text": f"{name} says {key}", "remote": remote, **given}
        hear(source, item(f"{name}-{key}", author=f"{name}{key}", conversation_key=f"{name}-{key}", **words))
        threads[key] = Thread.objects.get(brand=brand, root_key=f"{name}-{key}")
    if brand == cast.brontola:
        Item.objects.filter(external_id="brontola-open").update(text=CANARY["other-brand"])
    with bound("staff", who.pk):
        note = notes.add_note(threads["open"], who, CANARY["note"], now)
        draft = outbox.save_draft(threads["open"], who, CANARY["draft"], now, account)
        reply = outbox.submit(
            threads["leaving"], who, CANARY["leaving"], threads["leaving"].version, uuid.uuid4(), now, account
        )
        lifecycle.close(threads["closed"], "no_reply", who, now)
        event = lifecycle.snooze(threads["open"], now + timedelta(hours=1), who, now)
    with bound("consultant", cast.people[consultant].pk):
        advice = _advice(threads["open"], cast, consultant, f"Advice of {consultant}")
    for thread in threads.values():
        thread.refresh_from_db()
    return Place(
        brand,
        source,
        account,
        **threads,
        note=note,
        draft=draft,
        reply=reply,
        advice=advice,
        event=event,
        message=threads["open"].messages.get(),
        label=brand.labels.get(),
        topic=brand.topics.get(),
    )


def _others_advice(world: World, now: datetime) -> None:
    """Another agency advises in the same conversation; what was said around it directly stands in its table too."""
    thread, source = world.nivalta.open, world.nivalta.source
    with bound("consultant", world.cast.bruno.pk):
        _advice(thread, world.cast, "bruno", CANARY["other-agency"])
    for key, direction in (("aside", "outbound"), ("context-aside", "context")):
        said = item(f"aside-{key}", CANARY[key], author=key, visibility="direct", conversation_key="elsewhere")
        hear(source, said)
        heard = Item.objects.get(external_id=f"aside-{key}")
        Message.objects.create(thread=thread, item=heard, direction=direction, at=now, team_at=now)


def _advice(thread: Thread, cast: Cast, consultant: str, text: str) -> Advice:
    message = thread.messages.only("pk", "thread_id").get(direction="inbound")
    person, engagement = cast.people[consultant], cast.engagements[consultant]
    return notes.advise(thread, message, engagement, person, text, ["tone"], "before", "", timezone.now())


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside has not happened afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
