"""Adding a place to listen to: first it is heard, and only then stored. The page and the command do the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.models import Brand
from listening import credentials, ingest, matching, voice
from listening.connectors import REGISTER
from listening.connectors.contract import Heard, Item, Place
from listening.models import Account, Source, Topic


class NotAdded(Exception):
    """The source cannot be added; the words say why and what to do."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a place would bring, before anything is stored."""

    kind: str
    address: str
    account: Account | None
    heard: Heard
    caught: list[tuple[Item, list[str]]]
    """Each item, with the words that would let it in; none: it stays out."""

    @property
    def name(self) -> str:
        return self.heard.title or REGISTER[self.kind].describe(self.address)


def rehearse(kind: str, brand: Brand, address: str) -> Rehearsal:
    """Polls a place once and asks the brand's topics about it. Stores nothing. Raises `NotAdded`, or a `Trouble`."""
    ear = REGISTER.get(kind)
    if ear is None:
        raise NotAdded(f"There is no connector called {kind}: use one of {', '.join(sorted(REGISTER))}.")
    try:
        ear.describe(address)
    except ValueError as error:
        raise NotAdded(str(error)) from error
    account = _account(kind, brand)
    if Source.objects.filter(
        brand=brand, kind=kind, address=address, base_url=account.base_url if account else ""
    ).exists():
        raise NotAdded(f"{brand} already listens to {address}.")
    heard = ear.poll(_place(address, account), {}, voice.world())
    topics = Topic.objects.filter(brand=brand, active=True)
    matcher = matching.Matcher([matching.Query(t.pk, t.any_of, t.all_of, t.none_of) for t in topics])
    caught = [(item, _why(item, matcher)) for item in heard.items]
    return Rehearsal(kind, address, account, heard, caught)


def _account(kind: str, brand: Brand) -> Account | None:
    """The brand's account on that network; networks that answer are listened to through it."""
    if not voice.can_speak(kind):
        return None
    account = Account.objects.filter(brand=brand, kind=kind).order_by("-connected_at").first()
    if account is None:
        raise NotAdded(
            f"{brand} has no account there yet. Connect one first: "
            f"manage.py connect {kind} --brand {brand.slug} --base URL"
        )
    return account


def _place(address: str, account: Account | None) -> Place:
    if account is None:
        return Place(address=address)
    return Place(
        address=address, base_url=account.base_url, token=credentials.reveal(account), account_id=account.remote_id
    )


def _why(item: Item, matcher: matching.Matcher) -> list[str]:
    if item.to_us:
        return ["addressed to us"]
    return [word for match in matcher.matches(ingest.words_of(item)) for word in match.words]


def add(rehearsal: Rehearsal, brand: Brand, now: datetime) -> Source:
    """Stores the source; the next tick of the clock polls it."""
    ear = REGISTER[rehearsal.kind]
    return Source.objects.create(
        brand=brand,
        kind=rehearsal.kind,
        address=rehearsal.address,
        base_url=rehearsal.account.base_url if rehearsal.account else "",
        account=rehearsal.account,
        name=rehearsal.name[:300],
        own_place=rehearsal.account is not None and rehearsal.address == "mentions",
        added_at=now,
        next_poll_at=now,
        interval=ear.interval,
    )
