"""A whole feed document. Runs in the guarded child process and gives JSON values back.

feedparser decides what a document says, and it is slow: 5 ms for an entry of some length. So only what is new reaches
it. Each entry of a well-formed document gets a mark (a hash of its bytes, cheap); entries whose mark the last poll has
left in the cursor are cut out before feedparser sees the document. An edited entry has another mark, so edits are read
like news. Whatever is unusual (not well-formed, not UTF-8, a DOCTYPE, entries in odd places) goes whole to feedparser.
"""

from __future__ import annotations

import html
import io
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from xml.parsers import expat

import feedparser

from .encoding import settled
from .entries import from_json_feed, from_syndication, mark, raw
from .text import one_line, plain

Json = dict[str, Any]

REMEMBERED = 1500
"""Marks kept in the cursor (12 KB). For entries below these, the ids that are stored already are asked for."""
MOST_AT_ONCE = 2000
"""Entries read in one poll; the next poll goes on where this one stopped."""
MARK = 8

_UTF8: Final = "application/xml; charset=utf-8"
_EDGE: Final = re.compile(rb"<(?:item|entry)(?=[\s>])|</(?:[^\s<>:/]+:)?(?:item|entry)\s*>|<(?:item|entry)/")
_OPAQUE: Final = re.compile(rb"<!--|<!\[CDATA\[")
_CROWDED: Final = re.compile(rb"<[^<>=]*+(?:=[^<>=]*+){2000}")
_DECLARES: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_ID: Final = re.compile(rb"<(?:guid|id)[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]{1,2000})")
_LINK: Final = re.compile(rb"<link[^>]*>\s*(?:<!\[CDATA\[)?([^<\]]{1,2000})")
_SKIPPED: Final = re.compile(rb"<skipHours>(.{0,2000}?)</skipHours>", re.DOTALL)
_HOUR: Final = re.compile(rb"<hour>\s*(\d{1,2})\s*</hour>")
_PERIODS: Final = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400, "monthly": 30 * 86400, "yearly": 365 * 86400}


class UnusualError(Exception):
    """The quick way does not fit this document."""


def read(data: bytes, options: Json) -> Json:
    """What a document says that was not known.

    `options`: `content_type`, `content_language`, `address` (after redirects), all as the server gave them; `marks` of
    the last poll; `known`, the ids found stored among those asked for, None before asking; `most` entries to read.

    Gives `version` ("" means that it is no feed), `title`, `entries` (how many stand there), `known` (how many of them
    were), `items`, `set_aside` (raw entries), `marks`, `more` (there is more to read), and, when anything was parsed,
    `pace` and `skip` (hints for the next poll); or only `ask`: ids to look up, and to call again with."""
    quick_marks: list[str] = []
    try:
        document = _quick(data, options)
        quick_marks = document.marks
        return _news(document, options)
    except UnusualError:
        return _news(_whole(data, options, quick_marks), options)


def _news(document: Document, options: Json) -> Json:
    marks = options.get("marks", "")
    seen = {marks[i : i + MARK] for i in range(0, len(marks), MARK)}
    fresh = [i for i, each in enumerate(document.marks) if each not in seen]
    below = [i for i in fresh if i >= REMEMBERED] if seen else []
    if below:
        ids, stored = document.ids(), options.get("known")
        if stored is None:
            return {"ask": [ids[i] for i in below]}
        stored_ids = set(stored)
        fresh = [i for i in fresh if i < REMEMBERED or ids[i] not in stored_ids]
    most = options.get("most", MOST_AT_ONCE)
    taken, left = fresh[:most], set(fresh[most:])
    return {
        **document.take(taken),
        "entries": len(document.marks),
        "known": len(document.marks) - len(fresh),
        "marks": "".join(each for i, each in enumerate(document.marks) if i not in left)[: REMEMBERED * MARK],
        "more": bool(left),
    }


class Document(Protocol):
    """A parsed document: for each entry a mark and an id, and `take`, which makes items of the entries asked for."""

    marks: list[str]

    def ids(self) -> list[str]: ...

    def take(self, chosen: Sequence[int]) -> Json: ...


# ── the quick way ───────────────────────────────────────────────────────────────────────────────────────────────────


class _Spans:
    """A document as its bytes, with the place of each entry in them: cutting is leaving bytes out."""

    def __init__(self, data: bytes, options: Json) -> None:
        self._data, content_type = settled(data, options.get("content_type", ""))
        self._options = options
        edges = list(_EDGE.finditer(self._data))
        ends = [edge[0][:2] == b"</" for edge in edges]
        # An entry that closes itself, or has a prefix, breaks this row of begin, end, begin, end.
        if content_type != _UTF8 or not edges or ends != [False, True] * (len(edges) // 2):
            raise UnusualError
        if _DECLARES.search(data, 0, edges[0].start()) or _hidden(self._data, [edge.start() for edge in edges]):
            raise UnusualError
        self._spans = [(a.start(), b.end()) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        self.marks = [mark(self._data[start:end]) for start, end in self._spans]

    def ids(self) -> list[str]:
        return [_id_of(self._data[start:end]) for start, end in self._spans]

    def take(self, chosen: Sequence[int]) -> Json:
        if not chosen:
            return {"version": "as before", "items": [], "set_aside": []}
        _check_form(self._data)
        result = _parse(self._only(frozenset(chosen)), _UTF8, self._options)
        if result["bozo"] or len(result["entries"]) != len(chosen):
            raise UnusualError
        return _answer(result["version"], result["feed"], _items(result), self._data)

    def _only(self, chosen: frozenset[int]) -> bytes:
        pieces, at = [], 0
        for i, (start, end) in enumerate(self._spans):
            if i not in chosen:
                pieces.append(self._data[at:start])
                at = end
        return b"".join([*pieces, self._data[at:]])


def _hidden(data: bytes, edges: list[int]) -> bool:
    """Whether any of these places lies in a comment or in CDATA: what looks like an entry there is none."""
    at = 0
    while opening := _OPAQUE.search(data, at):
        end = data.find(b"-->" if opening[0] == b"<!--" else b"]]>", opening.end())
        if end < 0 or bisect_left(edges, opening.start()) != bisect_left(edges, end):
            return True
        at = end
    return False


def _check_form(data: bytes) -> None:
    """Raises UnusualError unless the whole document is well-formed. feedparser reads the others in another way, which
    must see them whole; it asks the same parser."""
    try:
        expat.ParserCreate("utf-8", " ").Parse(data, True)
    except expat.ExpatError as error:
        raise UnusualError from error


def _id_of(entry: bytes) -> str:
    """Near enough to the item's id to ask whether it is stored; a wrong guess only costs a parse."""
    found = _ID.search(entry) or _LINK.search(entry)
    return html.unescape(found[1].decode("utf-8", "replace")).strip() if found else ""


# ── the whole way ───────────────────────────────────────────────────────────────────────────────────────────────────


class _Finished:
    """A document of which every entry had to be read to know it."""

    def __init__(
        self, version: str, feed: Json, items: list[Json | str], data: bytes, marks: Sequence[str] = ()
    ) -> None:
        self._version, self._feed, self._items, self._data = version, feed, items, data
        fitting = len(marks) == len(items)
        self.marks = list(marks) if fitting else [mark(json.dumps(item).encode()) for item in items]

    def ids(self) -> list[str]:
        return [item["external_id"] if isinstance(item, dict) else "" for item in self._items]

    def take(self, chosen: Sequence[int]) -> Json:
        return _answer(self._version, self._feed, [self._items[i] for i in chosen], self._data)


def _quick(data: bytes, options: Json) -> Document:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _json_feed(data)
    return _Spans(data, options)


def _whole(data: bytes, options: Json, marks: Sequence[str] = ()) -> Document:
    """`marks`: those of the quick way, kept where both ways agree on the number of entries."""
    settled_data, content_type = settled(data, options.get("content_type", ""))
    result = _parse(settled_data, content_type, options)
    version = result.get("version") or ""
    return _Finished(version, result["feed"], _items(result) if version else [], data, marks)


def _parse(data: bytes, content_type: str, options: Json) -> Json:
    """feedparser's result. Always from a stream: it would open a file, or an address, that a string names. Raises
    ValueError for an element with thousands of attributes, over which it would sit for minutes."""
    if _CROWDED.search(data):
        raise ValueError("an element has more than 2,000 attributes")
    headers = {"content-type": content_type, "content-location": options.get("address", "")}
    if language := options.get("content_language"):
        headers["content-language"] = language
    result: Json = feedparser.parse(
        io.BytesIO(data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )
    return result


def _items(result: Json) -> list[Json | str]:
    namespaces = result.get("namespaces") or {}
    return [_attempt(entry, lambda e: from_syndication(e, result["feed"], namespaces)) for entry in result["entries"]]


def _attempt(entry: Any, make: Callable[[Any], Json]) -> Json | str:
    """An item, or the raw text of what can't be made one: one bad entry never stops the others."""
    try:
        return make(entry)
    except Exception as error:  # whatever a stranger's entry can bring about
        return raw(entry, error)


def _json_feed(data: bytes) -> Document:
    """https://www.jsonfeed.org/version/1.1/"""
    try:
        # Numbers stay text: ids may be numbers, and one of 5,000 digits must not cost anything.
        feed = json.loads(data.decode("utf-8-sig", "replace"), parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        feed = {}
    version = str(feed.get("version", "")) if isinstance(feed, dict) else ""
    if "jsonfeed.org/version/" not in version:
        return _Finished("", {}, [], b"")
    entries = feed.get("items") if isinstance(feed.get("items"), list) else []
    items = [_attempt(entry, lambda e: from_json_feed(e, feed)) for entry in entries]
    return _Finished(version, {"title": feed.get("title"), "language": feed.get("language")}, items, b"")


def _answer(version: str, feed: Json, items: list[Json | str], data: bytes) -> Json:
    title = feed.get("title")
    return {
        "version": version,
        "title": one_line(plain(title))[:300] if isinstance(title, str) else "",
        "items": [item for item in items if isinstance(item, dict)],
        "set_aside": [item for item in items if isinstance(item, str)],
        "pace": _pace(feed),
        "skip": _skipped(data),
    }


# ── hints for the next poll ─────────────────────────────────────────────────────────────────────────────────────────


def _pace(feed: Json) -> float | None:
    """Seconds between two versions, as the document claims: `ttl` (minutes), `sy:updatePeriod` and its frequency."""
    ttl, period = str(feed.get("ttl") or ""), str(feed.get("sy_updateperiod") or "").strip().lower()
    if re.fullmatch(r"\d{1,6}", ttl):
        return float(ttl) * 60
    if period in _PERIODS:
        frequency = str(feed.get("sy_updatefrequency") or "").strip()
        return _PERIODS[period] / max(int(frequency), 1) if re.fullmatch(r"\d{1,4}", frequency) else _PERIODS[period]
    return None


def _skipped(data: bytes) -> list[int]:
    """Hours (UTC) in which the document asks not to be read."""
    found = _SKIPPED.search(data[:100_000])
    return sorted({int(hour) % 24 for hour in _HOUR.findall(found[1])}) if found else []
