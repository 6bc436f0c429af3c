"""Listening: notifications, tags, search, and conversations that somebody watches."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from ..contract import (
    Broken,
    Denied,
    Gone,
    Heard,
    Item,
    Json,
    Place,
    SetAside,
    Throttled,
    Trouble,
    Unreachable,
    gettext_noop,
)
from .server import NOT_THERE, Params, Server
from .statuses import UnreadableError, field_of, id_of, item_of, uri_of
from .walk import FULL, Page, Walk, page_of

PAGE = 30
"""Statuses asked for at once. Each may need its context, so a page stays well under a server's 300 calls per 5 min."""
CALLS = 30
"""Calls after which a poll starts no further page; the next poll goes on there."""
SEARCH_PAGES = 3
REREAD = timedelta(hours=6)
"""Posts an instance fetches itself get an id made from their own date, behind our mark: the newest pages are read
again this often, which also shows edits."""
CHECKS = 10
"""How many missing answers of a watched conversation one poll asks after."""
WATCHED = 500
UNREADABLE = gettext_noop("Unreadable field")


@dataclass
class Conversations:
    """Places statuses in their conversations: its key is the uri of the oldest ancestor the server shows."""

    server: Server
    given_up: set[str] = field(default_factory=set)
    """Local ids whose context did not come in an earlier poll: one that never comes must not hold up the list."""
    uris: dict[str, str] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)

    def place(self, status: Json, item: Item) -> Item:
        """The item with `conversation_key` and `in_reply_to`. Asks for the context of a reply at most once."""
        local, parent = item.remote["id"], id_of(status, "in_reply_to_id", required=False)
        self.uris[local] = item.external_id
        if not parent:
            root = item.external_id
        else:
            root = self.roots.get(local) or self.roots.get(parent) or self._ask(local) or item.external_id
        self.roots[local] = root
        parent_uri = (self.uris.get(parent) or f"{self.server.base}#{parent}") if parent else ""
        return dataclasses.replace(item, conversation_key=root, in_reply_to=parent_uri)

    def learn(self, chain: Sequence[Any]) -> str:
        """Remembers statuses that belong together, oldest first, and gives their root's uri ("" if there is none)."""
        root = ""
        for status in chain:
            try:
                local, uri = id_of(status), uri_of(status, self.server.base)
            except (UnreadableError, AttributeError):
                continue
            root = root or uri
            self.uris[local], self.roots[local] = uri, root
        return root

    def _ask(self, local: str) -> str:
        if local in self.given_up:
            return ""
        try:
            context = self.server.object(f"/api/v1/statuses/{quote(local, safe='')}/context")
        except Throttled:
            raise
        except Unreachable:
            self.given_up.add(local)
            raise
        except Trouble:
            return ""  # a conversation the server keeps to itself: the message stands alone
        ancestors = context.get("ancestors")
        return self.learn(ancestors if isinstance(ancestors, list) else [])


@dataclass
class Catch:
    """What a poll has collected so far."""

    server: Server
    place: Place
    conversations: Conversations
    notifications: bool = False
    items: list[Item] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)

    def take(self, entries: list[Any]) -> None:
        """Turns raw statuses (or notifications) into items; what can't be read is set aside."""
        for entry in entries:
            try:
                self._take_one(entry)
            except (UnreadableError, AttributeError, RecursionError) as error:
                name = str(error) if isinstance(error, UnreadableError) else "status"
                self.set_aside.append(SetAside(f"{UNREADABLE}: {name}", json.dumps(entry)))

    def _take_one(self, entry: Any) -> None:
        if self.notifications:
            if field_of(entry, "type", str) not in ("mention", "quote") or entry.get("status", "") is None:
                return  # other notifications where `types[]` is not understood; a mention deleted since
            id_of(entry)
            status = field_of(entry, "status", dict)
        else:
            status = entry
        if status.get("reblog"):
            return
        item = item_of(status, self.server.base, self.place.account_id, notified=self.notifications)
        self.items.append(self.conversations.place(status, item))

    def stored(self, entries: list[Any]) -> list[bool]:
        """Which of these are held already. What can't be read is not."""
        uris = [self._uri(entry) for entry in entries]
        held = self.place.known_ids([uri for uri in uris if uri])
        return [uri in held for uri in uris]

    def _uri(self, entry: Any) -> str:
        try:
            return uri_of(entry["status"] if self.notifications else entry, self.server.base)
        except (UnreadableError, AttributeError, KeyError, TypeError):
            return ""


def poll_tag(tag: str, catch: Catch, cursor: Json, now: datetime) -> Heard:
    """What this instance knows under a hashtag (given without #)."""
    return _poll_list(f"/api/v1/timelines/tag/{quote(tag, safe='')}", [("limit", str(PAGE))], catch, cursor, now)


def _poll_list(path: str, base_params: Params, catch: Catch, cursor: Json, now: datetime) -> Heard:
    """Polls a list that pages by `Link`: notifications, a tag's timeline."""
    server = catch.server

    def fetch(params: Params) -> Page:
        own = {name for name, _ in base_params}
        return page_of(*server.list(path, base_params + [pair for pair in params if pair[0] not in own]))

    walk = Walk(fetch, catch.take, catch.stored, spent=lambda: server.calls >= CALLS)
    wait: float | None = None
    catch.conversations.given_up = set(cursor.pop("given_up", []))
    try:
        complete = walk.read(cursor)
        if complete and _reread_due(cursor, now) and not walk.spent():
            walk.again()
            cursor["reread"] = now.isoformat()
    except Trouble as trouble:
        if not walk.pages:
            raise
        complete, wait = False, trouble.wait  # what was read stays; the cursor stands before what was not
        cursor |= {"given_up": sorted(catch.conversations.given_up)}
    return _heard(catch, cursor, complete, wait, walk.pages)


def _reread_due(cursor: Json, now: datetime) -> bool:
    last = cursor.setdefault("reread", now.isoformat())
    return now - datetime.fromisoformat(last) >= REREAD


def _heard(catch: Catch, cursor: Json, complete: bool, wait: float | None, pages: int) -> Heard:
    return Heard(
        items=tuple(sorted(catch.items, key=lambda item: item.published_at or datetime.min.replace(tzinfo=UTC))),
        set_aside=tuple(catch.set_aside),
        cursor=cursor,
        complete=complete,
        wait=wait,
        pages=pages,
    )


def poll_mentions(catch: Catch, cursor: Json, now: datetime) -> Heard:
    """Notifications. Asks also for those that a policy keeps as "requests" (4.3), and for quotes of us (4.5); a server
    that refuses such questions is asked the plain one from then on."""
    catch.notifications = True
    path, mention = "/api/v1/notifications", [("types[]", "mention"), ("limit", str(PAGE))]
    if not cursor.get("plain"):
        try:
            return _poll_list(path, [*mention, ("types[]", "quote"), ("include_filtered", "true")], catch, cursor, now)
        except (Broken, Denied) as trouble:
            if trouble.status not in (400, 422):
                raise
    cursor["plain"] = True
    return _poll_list(path, mention, catch, cursor, now)


def poll_search(words: str, catch: Catch, cursor: Json) -> Heard:
    """Search is sorted by relevance and pages by offset: a supplement. It has no mark; it ends where nothing is new."""
    seen: set[str] = set()
    complete, number = False, 0
    for number in range(SEARCH_PAGES):
        params = [("type", "statuses"), ("q", words), ("limit", str(PAGE)), ("offset", str(number * PAGE))]
        found = catch.server.object("/api/v2/search", params).get("statuses")
        page = page_of(found if isinstance(found, list) else [], httpx.Headers())
        fresh = [raw for each, raw in page.entries if each not in seen]
        complete = not fresh or len(page.ids) < FULL or all(catch.stored(fresh))
        catch.take(fresh + page.nameless)
        seen.update(page.ids)
        if complete:
            break
    return _heard(catch, cursor, complete, None, number + 1)


def poll_context(target: str, catch: Catch, cursor: Json) -> Heard:
    """A conversation as the network shows it now. Cursor: `id`, the local id; `seen`, {external id: local id}."""
    server, seen = catch.server, dict(cursor.get("seen", {}))
    local = cursor.get("id") or _local_id(server, target)
    path = f"/api/v1/statuses/{quote(local, safe='')}"
    try:
        status, context = server.object(path), server.object(f"{path}/context")
    except Gone:
        if not seen:
            raise
        server.get("/api/v1/instance")  # a server that says 404 to everything proves nothing
        status, context = {}, {}
    ancestors, descendants = (field_of(context, name, list, []) for name in ("ancestors", "descendants"))
    whole = [*ancestors, *([status] if status else []), *descendants]
    catch.conversations.learn(whole)
    catch.take(whole)
    now_seen = {item.external_id: item.remote["id"] for item in catch.items}
    missing = {uri: each for uri, each in seen.items() if uri not in now_seen}
    removed = tuple(uri for uri, each in list(missing.items())[:CHECKS] if _is_gone(server, each))
    held = {uri: each for uri, each in (missing | now_seen).items() if uri not in removed}
    cursor |= {"id": local, "seen": dict(list(held.items())[-WATCHED:])}
    return dataclasses.replace(_heard(catch, cursor, True, None, 1), removed=removed)


def _is_gone(server: Server, local: str) -> bool:
    """Missing from a context means little (it is cut, or filtered); missing when asked for by name is an answer."""
    try:
        server.get(f"/api/v1/statuses/{quote(local, safe='')}")
    except Gone:
        return True
    return False


def context_of(item: Item) -> str:
    """The address of an item's conversation: its id on the server that told us, and the one it has everywhere."""
    return f"context:{item.remote.get('instance', '')}#{item.remote.get('id', '')} {item.external_id}"


def _local_id(server: Server, target: str) -> str:
    """The local id of a status given by `context_of`, or by local id or uri alone. Raises `Gone` where the server can't
    find it."""
    for name in target.split():
        base, known, local = name.partition("#")
        if known and base == server.base and local:
            return local
        if not name.startswith(("http://", "https://")):
            return name
    if found := resolve(server, target.split()[-1]):
        return found
    raise Gone(NOT_THERE, details=target)


def resolve(server: Server, uri: str) -> str:
    """The local id of a federated status, fetched by the server if need be; "" where it can't. Needs an account."""
    found = server.object("/api/v2/search", [("q", uri), ("resolve", "true"), ("type", "statuses")]).get("statuses")
    for status in found if isinstance(found, list) else []:
        if isinstance(status, dict) and uri in (status.get("uri"), status.get("url")):
            return id_of(status)
    return ""
