"""Named people, so that a test reads as a story.

Ada administers, Giulia manages, Marta and Teo answer for Nivalta, Ivo answers for Brontola alone. Sandro consults for
Nivalta (his engagement runs), Vera consults for Brontola, for another agency. Nobody else has any business here.
"""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.authority import Role
from accounts.binding import bound
from accounts.models import Agency, Brand, Engagement, Login, Membership, Person, Staff
from conversations import intake
from conversations.models import CalendarVersion, Label, TargetVersion, Thread
from listening import credentials, ingest
from listening.connectors.contract import Author, Heard, Item
from listening.models import Account, Source, Topic

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ALWAYS = {str(day): [["00:00", "24:00"]] for day in range(7)}
PEOPLE = {
    "ada": (Role.ADMINISTRATOR, ("nivalta", "brontola")),
    "giulia": (Role.MANAGER, ("nivalta", "brontola")),
    "marta": (Role.COMMUNITY_MANAGER, ("nivalta",)),
    "teo": (Role.COMMUNITY_MANAGER, ("nivalta",)),
    "ivo": (Role.COMMUNITY_MANAGER, ("brontola",)),
    "sandro": (Role.CONSULTANT, ()),
    "vera": (Role.CONSULTANT, ()),
}


@dataclass
class Cast:
    people: dict[str, Person]
    brands: dict[str, Brand]
    engagements: dict[str, Engagement] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Person:
        try:
            return self.people[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def nivalta(self) -> Brand:
        return self.brands["nivalta"]

    @property
    def brontola(self) -> Brand:
        return self.brands["brontola"]


def make_cast() -> Cast:
    brands = {slug: _brand(slug) for slug in ("nivalta", "brontola")}
    people = {name: _person(name, role, [brands[slug] for slug in slugs]) for name, (role, slugs) in PEOPLE.items()}
    cast = Cast(people, brands)
    for consultant, agency, slug in (("sandro", "Studio Controvento", "nivalta"), ("vera", "Altra Voce", "brontola")):
        cast.engagements[consultant] = _engagement(agency, brands[slug], people[consultant], people["giulia"])
    return cast


def _brand(slug: str) -> Brand:
    brand = Brand.objects.create(slug=slug, name=slug.capitalize(), zone="Europe/Rome")
    CalendarVersion.objects.create(brand=brand, zone="Europe/Rome", weekly=ALWAYS, valid_from=LONG_AGO)
    TargetVersion.objects.create(brand=brand, seconds=5400, valid_from=LONG_AGO)
    Topic.objects.create(brand=brand, name=slug.capitalize(), any_of=[slug])
    Label.objects.create(brand=brand, name="Complaint", colour=1)
    return brand


def _person(name: str, role: Role, brands: list[Brand]) -> Person:
    kind = Person.Kind.CONSULTANT if role is Role.CONSULTANT else Person.Kind.STAFF
    person = Person.objects.create(email=f"{name}@example.org", name=name.capitalize(), kind=kind, role=role)
    login = Login(person=person, email=person.email)
    login.set_unusable_password()
    login.save()
    if kind == Person.Kind.STAFF:
        staff = Staff.objects.create(person=person)
        Membership.objects.bulk_create(Membership(brand=brand, staff=staff) for brand in brands)
    return person


def _engagement(agency: str, brand: Brand, consultant: Person, sponsor: Person) -> Engagement:
    now = timezone.now()
    engagement = Engagement.objects.create(
        agency=Agency.objects.create(name=agency),
        purpose="Tone of voice",
        sponsor_id=sponsor.pk,
        starts_at=now - timedelta(days=30),
        ends_at=now + timedelta(days=30),
    )
    engagement.brands.add(brand)
    engagement.consultants.add(consultant)
    return engagement


def source_of(brand: Brand, kind: str = "feed", **given: Any) -> Source:
    """A source that nobody polls unless asked to."""
    now = timezone.now()
    values: dict[str, Any] = {
        "name": f"A {kind} of {brand}",
        "address": "https://blog.example/feed",
        "added_at": LONG_AGO,
        "next_poll_at": now + timedelta(days=365),
        "interval": 900.0,
        "last_success_at": LONG_AGO,
    }
    return Source.objects.create(brand=brand, kind=kind, **(values | given))


def account_of(brand: Brand, base_url: str, token: str = "", handle: str = "nivalta", **given: Any) -> Account:
    """A connected identity of the brand, with its credential."""
    now = timezone.now()
    values: dict[str, Any] = {"remote_id": "1", "facts": {"max_characters": 500, "url_characters": 23}}
    account = Account.objects.create(
        brand=brand,
        kind="mastodon",
        base_url=base_url,
        handle=handle,
        connected_at=now,
        checked_at=now,
        **(values | given),
    )
    if token:
        credentials.seal(account, token)
    return account


def hear(source: Source, *items: Item, now: datetime | None = None) -> None:
    """The source brings these items, which become mentions and messages: the real way in, without a network."""
    moment = now or timezone.now()
    token = uuid.uuid4()
    Source.objects.filter(pk=source.pk).update(lease_token=token)
    source.refresh_from_db()
    ingest.store([ingest.Poll(source, token, Heard(items=items), {"last_success_at": moment})], moment)
    intake.take_all(moment)


def item(external_id: str, text: str, author: str = "passolento", **given: Any) -> Item:
    """Something somebody says about Nivalta, unless told otherwise."""
    who = Author(name=author.capitalize(), handle=author, remote_id=f"https://social.example/users/{author}")
    values: dict[str, Any] = {
        "author": who,
        "published_at": timezone.now(),
        "url": f"https://social.example/{external_id}",
    }
    return Item(external_id=external_id, text=text, **(values | given))


def thread_of(
    brand: Brand, text: str = "Is Nivalta listening?", *, source: Source | None = None, key: str = "1", **given: Any
) -> Thread:
    """A thread that waits for an answer."""
    hear(source or source_of(brand), item(key, text, **given))
    return Thread.objects.get(root_key=given.get("conversation_key") or key, brand=brand)


def as_staff(person: Person) -> AbstractContextManager[None]:
    """Everything inside happens in this colleague's name."""
    return bound("staff", person.pk)
