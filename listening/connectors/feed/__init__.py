"""RSS 0.9 to 2.0, RDF, Atom and JSON Feed, articles and comments alike. A feed is only heard; answers go by link.

Cursor kind: *window*. A feed shows its last entries and nothing else, so if nothing in it was known at the last poll,
something may have passed (`complete=False`). The cursor holds the validators, which belong to the address after
redirects, a hash of the body, and a mark for each entry. All of it is stored with the data or not at all.
Facts: RFC 9110 and 9111 (validators, freshness), RFC 4287 (Atom), RFC 4685 (threading), rssboard.org, jsonfeed.org.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .._waiting import LONGEST, freshness, retry_after
from ..contract import (
    Author,
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
    World,
    gettext_noop,
)

TRUST = timedelta(days=1)
"""How long a server may say "not modified" before it is asked without validators."""
LONGEST_PACE = 3600.0
"""What the document itself says of its pace is often a default nobody chose: it may not make us wait longer."""
_FUTURE: Final = timedelta(days=1)
_ACCEPT: Final = {
    "Accept": "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.8"
}

PARSER: Final = "listening.connectors.feed.parsing:read"

NOT_AN_ADDRESS: Final = gettext_noop("Give the address of the feed. It begins with http:// or https://.")
NOT_A_FEED: Final = gettext_noop(
    "There is no feed at this address, but a web page or something else. Look on the site for “RSS” or “feed”."
)
UNREADABLE: Final = gettext_noop("One entry of the feed could not be read. The others were.")
EMPTY_ANSWER: Final = gettext_noop("The server answered with an empty page where a feed was expected.")


class Feed:
    """An `Ear`; the contract says what each of these does."""

    kind = "feed"
    label = gettext_noop("Feed")
    network = ""
    interval = 900.0
    fastest = 300.0
    slowest = 6 * 3600.0

    def describe(self, address: str) -> str:
        """Host and path. Raises ValueError with words for what is no web address."""
        try:
            parts = urlsplit(address.strip())
        except ValueError as error:
            raise ValueError(NOT_AN_ADDRESS) from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(NOT_AN_ADDRESS)
        return f"{parts.hostname.removeprefix('www.')}{parts.path.rstrip('/')}"

    def discussion(self, item: Item) -> str:
        return item.comments_url

    def poll(self, place: Place, cursor: Json, world: World) -> Heard:
        """News of a feed. Of entries that repeat an id in one document the first is taken. Raises a `Trouble`."""
        now = world.now()
        response, asked_plainly = _fetch(place.address, cursor, world)
        if response.status_code == 304 and not asked_plainly:
            return Heard(cursor=cursor, unchanged=True, wait=_wait(response, cursor, now), status=304)
        check(response, now)
        cursor = {**cursor, **_validators(response)}
        if asked_plainly:
            cursor["plain_at"] = now.isoformat()
        moved_to = _moved_to(response)
        body = hashlib.blake2b(response.content, digest_size=16).hexdigest()
        if body == cursor.get("body"):
            wait = _wait(response, cursor, now)
            return Heard(cursor=cursor, unchanged=True, wait=wait, moved_to=moved_to, status=response.status_code)
        news = _news(response, place, cursor, world)
        items = _items(news["items"], now)
        gap = bool(cursor.get("marks")) and not news["known"] and bool(items) and _all_unknown(items, place)
        cursor = {**cursor, "body": body, "marks": news["marks"]}
        if "pace" in news:
            cursor |= {"pace": news["pace"], "skip": news["skip"]}
        if news["more"]:  # the next poll must get the document again
            cursor = {key: value for key, value in cursor.items() if key not in ("etag", "modified", "body")}
        return Heard(
            items=items,
            cursor=cursor,
            complete=not news["more"] and not gap,
            set_aside=tuple(SetAside(UNREADABLE, raw) for raw in news["set_aside"]),
            title=news.get("title", ""),
            moved_to=moved_to,
            wait=None if news["more"] else _wait(response, cursor, now),
            status=response.status_code,
        )


FEED = Feed()


# ── fetching ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fetch(address: str, cursor: Json, world: World) -> tuple[httpx.Response, bool]:
    """The answer, and whether it was asked for without validators, as it is once a day."""
    trusted = world.now() - datetime.fromisoformat(cursor.get("plain_at", "2000-01-01T00:00:00+00:00")) < TRUST
    if trusted and (cursor.get("etag") or cursor.get("modified")):
        validators = {"If-None-Match": cursor.get("etag"), "If-Modified-Since": cursor.get("modified")}
        response = world.http.get(address, headers=_ACCEPT | {name: v for name, v in validators.items() if v})
        # A validator belongs to the address after redirects: where these changed, a 304 speaks of something else.
        if response.status_code != 304 or str(response.url) == cursor.get("at"):
            return response, False
    return world.http.get(address, headers=_ACCEPT), True


def check(response: httpx.Response, now: datetime) -> None:
    """Raises the `Trouble` that a status stands for."""
    status, wait = response.status_code, retry_after(response.headers, now)
    known: dict[int, tuple[type[Trouble], str]] = {
        401: (Denied, gettext_noop("The server asks for a password. Ask the site for an open feed.")),
        403: (Denied, gettext_noop("The server refuses us. Ask the site to let Ascolto read its feed.")),
        404: (Gone, gettext_noop("There is nothing at this address any more. It is tried again now and then.")),
        407: (Denied, gettext_noop("The server asks for a password. Ask the site for an open feed.")),
        410: (
            Gone,
            gettext_noop("The site has given up this feed for good. Look for another one."),
        ),
        429: (Throttled, gettext_noop("The server asks us to read less often.")),
        503: (Throttled, gettext_noop("The server is overloaded and asks us to come back later.")),
    }
    if status in known and (status != 503 or wait is not None):
        kind, words = known[status]
        raise kind(words, details=f"HTTP {status}", status=status, wait=wait)
    if status >= 500:
        words = gettext_noop("The server has a problem of its own. It is tried again by itself.")
        raise Broken(words, details=f"HTTP {status}", status=status, wait=wait)
    if status not in (200, 203):
        raise Broken(NOT_A_FEED, details=f"HTTP {status}", status=status, wait=wait)


def _validators(response: httpx.Response) -> Json:
    """Exactly as received: an ETag keeps its quotes and its W/."""
    etag, modified = response.headers.get("etag", ""), response.headers.get("last-modified", "")
    return {"etag": etag[:500], "modified": modified[:100], "at": str(response.url)}


def _moved_to(response: httpx.Response) -> str:
    permanent = response.history and all(hop.status_code in (301, 308) for hop in response.history)
    return str(response.url) if permanent else ""


def _wait(response: httpx.Response, cursor: Json, now: datetime) -> float | None:
    """The longest of what the headers and the document ask for, in seconds."""
    hints = [freshness(response.headers, now), min(cursor.get("pace") or 0.0, LONGEST_PACE) or None]
    skipped = cursor.get("skip") or []
    if now.hour in skipped and len(skipped) < 24:
        hours = next(hours for hours in range(1, 25) if (now.hour + hours) % 24 not in skipped)
        hints.append(min(hours * 3600.0 - now.minute * 60 - now.second, LONGEST))
    return max((hint for hint in hints if hint), default=None)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _news(response: httpx.Response, place: Place, cursor: Json, world: World) -> Json:
    """What the parser in the child process says (`parsing.read`). Raises Broken for what is no feed."""
    options = {**described(response), "marks": cursor.get("marks", "")}
    news: Json = world.isolated(PARSER, response.content, options)
    if "ask" in news:
        known = sorted(place.known_ids(news["ask"]))
        news = world.isolated(PARSER, response.content, {**options, "known": known})
    check_version(news, response.content)
    return news


def described(response: httpx.Response) -> Json:
    """What the parser must be told of an answer, beside its body."""
    return {
        "content_type": response.headers.get("content-type", "")[:200],
        "content_language": response.headers.get("content-language", "")[:40],
        "address": str(response.url),
    }


def check_version(news: Json, data: bytes) -> None:
    """Raises Broken if there is no feed. Only the version tells: a feed may be empty, a web page well-formed."""
    if not news["version"]:
        raise Broken(NOT_A_FEED if data.strip() else EMPTY_ANSWER)


def _all_unknown(items: tuple[Item, ...], place: Place) -> bool:
    """Marks tell edited entries from known ones, ids don't: a feed whose every entry was edited has lost nothing."""
    return not place.known_ids([item.external_id for item in items])


def _items(values: list[Json], now: datetime) -> tuple[Item, ...]:
    first: dict[str, Item] = {}
    for value in values:
        first.setdefault(value["external_id"], item(value, now))
    return tuple(first.values())


def item(value: Json, now: datetime) -> Item:
    """An item from the values that came out of the child process. A date more than a day ahead becomes `now`."""
    fields: dict[str, Any] = dict(value)
    at = datetime.fromisoformat(value["published_at"]) if value["published_at"] else None
    fields["published_at"] = now if at and at > now + _FUTURE else at
    fields["author"] = Author(name=fields["author"], url=fields.pop("author_url"))
    fields["media"] = tuple(fields["media"])
    return Item(**fields)
