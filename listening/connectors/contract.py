"""The contract between Ascolto and a network.

A connector is one module beside this one. It is pure: it knows neither Django, nor our tables, nor its siblings.
It hears (`Ear`) and, where the network allows it, speaks (`Voice`). It receives what it needs as plain values and
an `httpx.Client` that is already guarded (`listening.fetching`), and gives plain values back.

Times are aware datetimes in UTC. Durations are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

import httpx

Json = dict[str, Any]
Visibility = Literal["public", "unlisted", "private", "direct"]


def gettext_noop(words: str) -> str:
    """Marks words for the translators' catalogue and gives them back as they are: pages translate them."""
    return words


# ── what a connector hears ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Author:
    """Who said it, as the network names them. `remote_id` is the network's own lasting id where it has one."""

    name: str = ""
    handle: str = ""
    remote_id: str = ""
    url: str = ""
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One thing somebody said. `text` is plain; `html` is what came, hostile, cleaned only when it is shown."""

    external_id: str
    url: str = ""
    title: str = ""
    text: str = ""
    html: str = ""
    author: Author = Author()
    published_at: datetime | None = None
    language: str = ""
    conversation_key: str = ""
    in_reply_to: str = ""
    edited_at: datetime | None = None
    visibility: Visibility = "public"
    to_us: bool = False
    """It addresses our account (a notification), so it is a mention without asking any topic."""
    ours: bool = False
    """Our own account wrote it: it never opens a spell, but it may close one."""
    warning: str = ""
    """Content warning of the author, copied into an answer."""
    media: tuple[Mapping[str, str], ...] = ()
    """[{kind, url, alt}]: shown as a link with its alternative text, never loaded."""
    remote: Mapping[str, str] = field(default_factory=dict)
    """What this network needs to answer it (local ids, mentions), opaque to everyone else."""
    comments_url: str = ""
    """A feed that holds the discussion of this item, where the network names one."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Something that came and could not be read: kept, shown, and tried again by hand."""

    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Place:
    """What to listen to: a source, without our tables."""

    address: str
    base_url: str = ""
    token: str = ""
    account_id: str = ""
    """Remote id of our own account here, to recognise our own words."""
    known_ids: Callable[[Sequence[str]], set[str]] = lambda ids: set()
    """Which of these external ids are stored already (so that only news is parsed in full)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The result of one poll."""

    items: tuple[Item, ...] = ()
    cursor: Json = field(default_factory=dict)
    complete: bool = True
    """False: something may have passed between the last poll and this one; the hour is `partial`."""
    set_aside: tuple[SetAside, ...] = ()
    removed: tuple[str, ...] = ()
    """External ids that were there before and that the network now says are gone."""
    unchanged: bool = False
    """The place said that nothing moved (304, equal bytes)."""
    title: str = ""
    moved_to: str = ""
    """Permanent new address, as the server says; stored only after several equal answers."""
    wait: float | None = None
    """Seconds the server asks us to wait before the next poll (max-age, ttl): a floor, not an order."""
    status: int = 200
    pages: int = 1


# ── what can go wrong, in words that say what to do ─────────────────────────────────────────────────────────────────


class Trouble(Exception):
    """Something went wrong with a place. `words` is an English source string for people (translated at the page),
    `details` the technical side. `wait`: seconds before another try makes sense; None lets the back-off decide."""

    code = "trouble"

    def __init__(self, words: str, *, details: str = "", wait: float | None = None, status: int | None = None) -> None:
        super().__init__(words)
        self.words, self.details, self.wait, self.status = words, details, wait, status


class Unreachable(Trouble):
    """No answer: name, connection, time-out, TLS."""

    code = "unreachable"


class Throttled(Trouble):
    """429, or 503 with Retry-After: the place asks us to slow down."""

    code = "throttled"


class Broken(Trouble):
    """An answer that is not what stood there before (HTML for a feed, half a body, 5xx)."""

    code = "broken"


class Denied(Trouble):
    """401 or 403: a person must reconnect or ask for access."""

    code = "denied"


class Gone(Trouble):
    """404 or 410."""

    code = "gone"


class Forbidden(Trouble):
    """Our own guard refused the address (inner network, scheme, port, size)."""

    code = "forbidden"


# ── how it hears and speaks ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class World:
    """What the outside gives a connector. `isolated(name, data, options)` runs a parser of this package in the
    guarded child process: `name` is "module:function", the function takes (bytes, dict) and returns JSON values."""

    http: httpx.Client
    isolated: Callable[[str, bytes, Json], Any]
    now: Callable[[], datetime]


class Ear(Protocol):
    """Listens. `poll` raises a `Trouble`; one bad item becomes a `SetAside`, never an exception."""

    kind: str
    label: str
    network: str
    """Items are unique by (network, external_id); empty: ids are unique only inside one source."""
    interval: float
    """Seconds between polls when nothing is known yet; then it follows the source's rhythm, between the next two."""
    fastest: float
    slowest: float

    def describe(self, address: str) -> str:
        """A name for the source made from its address alone. Raises ValueError with words if it is not one of ours."""
        ...

    def discussion(self, item: Item) -> str:
        """The address under which the rest of an item's conversation is read; empty where there is none."""
        ...

    def poll(self, place: Place, cursor: Json, world: World) -> Heard: ...


# ── how it answers ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Identity:
    """An account of the brand as the network describes it."""

    remote_id: str
    handle: str
    name: str = ""
    url: str = ""
    scopes: tuple[str, ...] = ()
    facts: Json = field(default_factory=dict)
    """Limits and habits of the server: max_characters, url_characters, software, keys ("honoured", "ignored",
    "unknown"), key_seconds."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """The account that speaks, with its credential, for one call."""

    base_url: str
    token: str
    remote_id: str
    handle: str
    facts: Json


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that the network has the message."""

    remote_id: str
    """The `external_id` under which a later poll hears this message again."""
    url: str = ""
    at: datetime | None = None


class NotSent(Exception):
    """Provably not published (name failure, refused connect, 429): may be tried again after `wait` seconds."""

    def __init__(self, words: str, *, wait: float | None = None) -> None:
        super().__init__(words)
        self.words, self.wait = words, wait


class Refused(Exception):
    """The network said no, in a way its documentation lists as "not published". `account`: the account itself is
    refused (401), so everything it has waiting is held."""

    def __init__(self, words: str, *, account: bool = False) -> None:
        super().__init__(words)
        self.words, self.account = words, account


class Unknown(Exception):
    """It may be out. Never retried without looking first."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Ambiguous(Exception):
    """Looking found more than one candidate, or one that differs: a person decides."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@runtime_checkable
class Voice(Protocol):
    """Speaks. A connector that has no reply API simply lacks these."""

    def identify(self, base_url: str, token: str, world: World) -> Identity:
        """Checks a credential. Raises a `Trouble`."""
        ...

    def length(self, text: str, facts: Json) -> int:
        """The length as this network counts it."""
        ...

    def limit(self, facts: Json) -> int: ...

    def counted(self, payload: Json) -> str:
        """The words of a payload that count against the limit."""
        ...

    def compose(self, parent: Item, text: str, facts: Json, speaker_handle: str) -> Json:
        """The exact payload, frozen in the outbox before the first byte leaves: missing @author put in, warning and
        visibility copied from the parent. Pure."""
        ...

    def send(self, speaker: Speaker, payload: Json, key: str, world: World) -> Receipt:
        """One attempt over a fresh connection. Raises NotSent, Refused, Unknown."""
        ...

    def look(self, speaker: Speaker, payload: Json, since: datetime, world: World) -> Receipt | None:
        """Is it out? None: not seen. Raises Ambiguous, or a `Trouble` when looking itself failed."""
        ...
