"""The one door out: words leave for a network here, and only the outbox knocks (tests/test_structure.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from listening import credentials, fetching
from listening.connectors import REGISTER
from listening.connectors.contract import (
    Author,
    Identity,
    Item,
    Json,
    Receipt,
    Refused,
    Speaker,
    Visibility,
    Voice,
    World,
)
from listening.isolation import isolated
from listening.models import Account
from listening.models import Item as StoredItem


class Speechless(Exception):
    """This network has no way to answer from here: somebody answers there, and says so."""


def voice_of(kind: str) -> Voice:
    """The voice of a network. Raises `Speechless`."""
    connector = REGISTER.get(kind)
    if not isinstance(connector, Voice):
        raise Speechless(kind)
    return connector


def can_speak(kind: str) -> bool:
    return isinstance(REGISTER.get(kind), Voice)


def world(*, sending: bool = False) -> World:
    """What a connector gets of the outside: a guarded client; for sending, a fresh connection and no retries."""
    http = fetching.sending_client() if sending else fetching.client()
    return World(http=http, isolated=isolated, now=lambda: datetime.now(UTC))


def identify(kind: str, base_url: str, token: str) -> Identity:
    """Who a credential belongs to. Raises a `Trouble` in words."""
    return voice_of(kind).identify(base_url, token, world())


def limits(account: Account) -> tuple[int, Json]:
    """How long a reply may be here, and the facts by which its length is counted."""
    return voice_of(account.kind).limit(account.facts), account.facts


def length(account: Account, text: str, parent: StoredItem) -> int:
    """The length, as the network counts it, of what would really leave: with what the connector puts in."""
    voice = voice_of(account.kind)
    return voice.length(voice.counted(compose(account, parent, text)), account.facts)


def compose(account: Account, parent: StoredItem, text: str) -> Json:
    """The exact payload of a reply, to be frozen before the first byte leaves."""
    return voice_of(account.kind).compose(as_item(parent), text, account.facts, account.handle)


def speak(account: Account, payload: Json, key: str) -> Receipt:
    """One attempt, over a fresh connection. Raises NotSent, Refused, Unknown."""
    return voice_of(account.kind).send(_speaker(account), payload, key, world(sending=True))


def look(account: Account, payload: Json, since: datetime) -> Receipt | None:
    """Is it out? None: not seen. Raises Ambiguous, or a `Trouble` when looking failed."""
    return voice_of(account.kind).look(_speaker(account), payload, since, world())


def _speaker(account: Account) -> Speaker:
    try:
        token = credentials.reveal(account)
    except credentials.NoKey as error:
        raise Refused(str(error), account=True) from error
    return Speaker(account.base_url, token, account.remote_id, account.handle, account.facts)


def as_item(stored: StoredItem) -> Item:
    """A stored item as connectors know it."""
    return Item(
        external_id=stored.external_id,
        url=stored.url,
        title=stored.title,
        text=stored.text,
        html=stored.html,
        author=Author(stored.author_name, stored.author_handle, stored.author_id, stored.author_url),
        published_at=stored.published_at,
        language=stored.language,
        conversation_key=stored.conversation_key,
        in_reply_to=stored.in_reply_to,
        visibility=cast(Visibility, stored.visibility),
        warning=stored.warning,
        remote=stored.remote,
        comments_url=stored.comments_url,
    )
