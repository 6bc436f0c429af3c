"""What can happen in a conversation of the demo, each with its moment.

Plain values: `demo.replay` plays them through the product's own functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks on a network."""

    name: str
    handle: str = ""
    remote_id: str = ""
    url: str = ""


@dataclass(slots=True)
class Story:
    """One conversation with one author."""

    key: str
    """External id of its first message."""
    brand: str
    source: str
    network: str
    kind: str
    issue: str
    language: str
    author: Voice
    acts: list[Act] = field(default_factory=list)

    @property
    def began(self) -> datetime:
        return self.acts[0].at


@dataclass(slots=True, kw_only=True)
class Act:
    at: datetime


@dataclass(slots=True, kw_only=True)
class Said(Act):
    """The author speaks. `heard_at`: when a poll found it."""

    key: str
    text: str
    heard_at: datetime
    title: str = ""
    addressed: bool = False
    bank_id: str = ""


@dataclass(slots=True, kw_only=True)
class AnsweredOutside(Act):
    """We answered on the network itself; a poll found it at `heard_at`."""

    key: str
    to: str
    text: str
    heard_at: datetime
    bank_id: str = ""


@dataclass(slots=True, kw_only=True)
class Replied(Act):
    """A colleague answers: from here where a reply can be sent, else there, with a link."""

    by: str
    text: str
    bank_id: str = ""


@dataclass(slots=True, kw_only=True)
class Deleted(Act):
    """The author takes a message back."""

    key: str


@dataclass(slots=True, kw_only=True)
class Assigned(Act):
    by: str
    to: str


@dataclass(slots=True, kw_only=True)
class Labelled(Act):
    by: str
    labels: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Noted(Act):
    by: str
    text: str


@dataclass(slots=True, kw_only=True)
class Advised(Act):
    """A consultant advises on the newest message with `bank_id`'s words, or on the newest of all."""

    by: str
    engagement: str
    text: str
    kinds: tuple[str, ...]
    matters: str
    quote: str


@dataclass(slots=True, kw_only=True)
class AdviceDecided(Act):
    """The thread's newest open advice is taken up, or not."""

    by: str
    taken: bool
    reason: str


@dataclass(slots=True, kw_only=True)
class Snoozed(Act):
    by: str
    until: datetime


@dataclass(slots=True, kw_only=True)
class Closed(Act):
    """`reason` empty: answered."""

    by: str
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Draft(Act):
    """Somebody is still writing."""

    by: str
    text: str
