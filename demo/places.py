"""The places of the invented world, as far as listening is concerned.

The demo's blogs, forums and papers have addresses under `.example`, where nothing can ever be (RFC 2606). What was said
there in two years is loaded as history; from then on these connectors are polled by the real poller, at their rhythm,
and hear nothing new: so the sources stand as they would in a company, instead of failing for ever. One paper refuses
us, as papers do. No packet leaves. La Piazzetta and every true address are heard by the product's own connectors.

Some of these networks have no connector in the product yet. That is why they can be heard here and not answered: a
person answers there, and says so.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from listening.connectors import REGISTER
from listening.connectors.contract import Denied, Ear, Heard, Item, Json, Place, World
from listening.connectors.feed import FEED

REFUSES = "gazzettinodellecime.example"
REFUSAL = "The server refuses us. Ask the site to let Ascolto read its feed."
"""In the words of the product’s own connector, so that they are translated."""


class InventedNetwork:
    """An `Ear` for a network that exists in the demo alone."""

    interval = fastest = slowest = 900.0

    def __init__(self, kind: str, label: str) -> None:
        self.kind = self.network = kind
        self.label = label

    def describe(self, address: str) -> str:
        return address

    def discussion(self, item: Item) -> str:
        return ""

    def poll(self, place: Place, cursor: Json, world: World) -> Heard:
        return Heard(cursor=cursor, unchanged=True)


class FeedOrInvented:
    """Feeds as they are, except those that cannot be."""

    kind, label, network = FEED.kind, FEED.label, FEED.network
    interval, fastest, slowest = FEED.interval, FEED.fastest, FEED.slowest

    def describe(self, address: str) -> str:
        return FEED.describe(address)

    def discussion(self, item: Item) -> str:
        return FEED.discussion(item)

    def poll(self, place: Place, cursor: Json, world: World) -> Heard:
        host = urlsplit(place.address).hostname or ""
        if host == REFUSES:
            raise Denied(REFUSAL, details=f"403 Forbidden: {place.address}", status=403)
        if host.endswith(".example"):
            return Heard(cursor=cursor, unchanged=True)
        return FEED.poll(place, cursor, world)


INVENTED: tuple[Ear, ...] = (
    InventedNetwork("bluesky", "Bluesky"),
    InventedNetwork("reddit", "Reddit"),
    InventedNetwork("youtube", "YouTube"),
    InventedNetwork("forum", "Forum"),
    InventedNetwork("review", "Giudiziosi"),
    FeedOrInvented(),
)


def open_to_listening() -> None:
    """Puts the invented places into the register of networks. Twice is the same as once."""
    REGISTER.update({ear.kind: ear for ear in INVENTED})
