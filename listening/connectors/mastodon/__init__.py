"""Mastodon's API (v1 and v2), and the servers that speak it too: GoToSocial, Takahe, Hollo, Pleroma, Pixelfed.

Listens to `mentions`, `#tag`, `search:WORDS` and `context:ID-OR-URI`; answers with `POST /api/v1/statuses`.

Cursor kind: *forward*. `min_id` gives the page right after the mark; what a server answers to it is never believed
blindly, because some give the newest page instead, or the same one again: then the list is read downwards until the
mark. Ids are opaque; paging takes the `Link` header's query, but always on our own endpoint, so that a server can't
send our token elsewhere. Facts: https://docs.joinmastodon.org/api/ and the servers themselves, run side by side.

Visibility of an answer: the parent's, always. An unlisted answer to a public question would keep timelines clean,
but the public that read the question should be able to read the answer.
"""

from __future__ import annotations

import json
import re
from datetime import datetime

from ..contract import Broken, Heard, Identity, Item, Json, Place, Receipt, Speaker, World, gettext_noop
from . import voice
from .ear import Catch, Conversations, context_of, poll_context, poll_mentions, poll_search, poll_tag
from .server import NOT_DATA, server_at
from .statuses import UnreadableError

_TAG = re.compile(r"#\w{1,200}")
BAD_ADDRESS = gettext_noop("Use “mentions”, a hashtag such as #boots, or “search:” and the words.")


class Mastodon:
    """An `Ear` and a `Voice`; the contract says what each of these does."""

    kind = "mastodon"
    label = "Mastodon"
    network = "fediverse"
    interval = fastest = slowest = 60.0

    def describe(self, address: str) -> str:
        """`mentions`, `#tag`, `search:WORDS`, `context:ID`. Raises ValueError with words for anything else."""
        if address == "mentions" or _TAG.fullmatch(address):
            return address
        prefix, _, rest = address.partition(":")
        if prefix in ("search", "context") and rest.strip():
            return rest.strip()
        raise ValueError(BAD_ADDRESS)

    def discussion(self, item: Item) -> str:
        return context_of(item)

    def poll(self, place: Place, cursor: Json, world: World) -> Heard:
        """What is new at an address. Raises a `Trouble`, or ValueError for an address that is not ours."""
        self.describe(place.address)
        server = server_at(place.base_url, place.token, world)
        catch = Catch(server, place, Conversations(server))
        try:
            return self._poll(place.address, catch, json.loads(json.dumps(cursor)))
        except UnreadableError as error:
            raise Broken(NOT_DATA, details=str(error), status=200) from error

    def _poll(self, address: str, catch: Catch, cursor: Json) -> Heard:
        now = catch.server.world.now()
        prefix, _, rest = address.partition(":")
        if address == "mentions":
            return poll_mentions(catch, cursor, now)
        if address.startswith("#"):
            return poll_tag(address[1:], catch, cursor, now)
        if prefix == "search":
            return poll_search(rest.strip(), catch, cursor)
        return poll_context(rest.strip(), catch, cursor)

    def identify(self, base_url: str, token: str, world: World) -> Identity:
        return voice.identify(server_at(base_url, token, world))

    def length(self, text: str, facts: Json) -> int:
        return voice.length(text, facts)

    def limit(self, facts: Json) -> int:
        return int(facts.get("max_characters", 500))

    def counted(self, payload: Json) -> str:
        return f"{payload['spoiler_text']}{payload['status']}"

    def compose(self, parent: Item, text: str, facts: Json, speaker_handle: str) -> Json:
        return voice.compose(parent, text, facts, speaker_handle)

    def send(self, speaker: Speaker, payload: Json, key: str, world: World) -> Receipt:
        return voice.send(server_at(speaker.base_url, speaker.token, world), speaker.facts, payload, key)

    def look(self, speaker: Speaker, payload: Json, since: datetime, world: World) -> Receipt | None:
        return voice.look(server_at(speaker.base_url, speaker.token, world), speaker.remote_id, payload, since)


MASTODON = Mastodon()
