"""One entry, as feedparser or JSON Feed gives it, as the values of an item (JSON: it crosses a process border)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from .dates import from_iso, moment
from .text import one_line, plain, storable

Entry = dict[str, Any]

LONGEST_ID = 1000
"""Bytes. A longer id is kept as its hash, for an index has to hold it."""
LONGEST_URL = 4000
LONGEST_TITLE = 1000
LONGEST_TEXT = 1_000_000
MOST_MEDIA = 20

_HTML: Final = ("text/html", "application/xhtml+xml")
_COMMENT: Final = re.compile(r"#(?:comment|c)-?\d+$")
_THREADING: Final = "http://purl.org/syndication/thread/1.0"


def from_syndication(entry: Entry, feed: Entry, namespaces: dict[str, str]) -> dict[str, Any]:
    """An entry of RSS, RDF or Atom. `feed` and `namespaces` are feedparser's, of the whole document."""
    detail = _body(entry)
    markup = storable(str(detail.get("value") or ""))[:LONGEST_TEXT]
    is_html = str(detail.get("type") or "text/html") in _HTML
    text = plain(markup) if is_html else markup.strip()
    title = _title(entry)
    link = web_address(str(entry.get("link") or ""))
    published = moment(entry)
    key = _fit(str(entry.get("id") or "")) or link or _print(title, str(entry.get("published") or ""), text[:200])
    parent = _parent(entry, link or key, namespaces)
    author, author_url = _author(entry, feed)
    return {
        "external_id": key,
        "url": link or web_address(key),
        "title": title,
        "text": text,
        "html": markup if is_html and "<" in markup else "",
        "author": author,
        "author_url": author_url,
        "published_at": published,
        "language": _language(entry.get("language"), detail.get("language"), feed.get("language")),
        "conversation_key": _COMMENT.sub("", parent) or key,
        "in_reply_to": parent,
        "comments_url": _comments(entry),
        "media": _media(entry),
    }


def from_json_feed(entry: Entry, feed: Entry) -> dict[str, Any]:
    """An item of JSON Feed 1.0 or 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    markup = _words(entry, "content_html")[:LONGEST_TEXT]
    text = (plain(markup) or _words(entry, "content_text").strip() or _words(entry, "summary").strip())[:LONGEST_TEXT]
    title = one_line(_words(entry, "title"))[:LONGEST_TITLE]
    link = web_address(_words(entry, "url")) or web_address(_words(entry, "external_url"))
    published = from_iso(_words(entry, "date_published")) or from_iso(_words(entry, "date_modified"))
    key = _fit(_words(entry, "id")) or link or _print(title, published or "", text[:200])
    author = _json_author(entry) or _json_author(feed)
    return {
        "external_id": key,
        "url": link or web_address(key),
        "title": title,
        "text": text,
        "html": markup,
        "author": one_line(_words(author, "name"))[:300],
        "author_url": web_address(_words(author, "url")),
        "published_at": published,
        "language": _language(entry.get("language"), feed.get("language")),
        "conversation_key": key,
        "in_reply_to": "",
        "comments_url": "",
        "media": _attachments(entry),
    }


def web_address(text: str) -> str:
    """An absolute http or https address, "" for anything else. The redirects of Google Alerts give their target."""
    text = storable(text).strip()
    if len(text) > LONGEST_URL or not text.lower().startswith(("http://", "https://")):
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    if parts.path == "/url" and re.fullmatch(r"(www\.)?google(\.[a-z]{2,3}){1,2}", parts.netloc):
        query = parse_qs(parts.query)
        return next((t for t in query.get("url", []) + query.get("q", []) if t.startswith("http")), text)
    return text


def mark(content: bytes) -> str:
    """Eight characters that stand for the content of an entry."""
    return base64.urlsafe_b64encode(hashlib.blake2b(content, digest_size=6).digest()).decode()


def raw(entry: Any, error: Exception) -> str:
    """An entry that became no item, for whoever looks into it."""
    return storable(f"{type(error).__name__}: {error}\n{json.dumps(entry, default=str, ensure_ascii=False)}"[:20_000])


# ── the parts of an entry ───────────────────────────────────────────────────────────────────────────────────────────


def _title(entry: Entry) -> str:
    title = str(entry.get("title") or "")
    is_html = (entry.get("title_detail") or {}).get("type", "text/html") in _HTML
    return one_line(plain(title) if is_html else storable(title))[:LONGEST_TITLE]


def _body(entry: Entry) -> Entry:
    """The fullest text: `content` (its first part that is text), else the summary."""
    parts = [p for p in entry.get("content") or [] if p.get("value") and str(p.get("type", "")).startswith("text/")]
    parts += [p for p in entry.get("content") or [] if p.get("value") and p.get("type") in _HTML]
    if parts:
        return dict(parts[0])
    return dict(entry.get("summary_detail") or {"value": entry.get("summary")})


def _author(entry: Entry, feed: Entry) -> tuple[str, str]:
    """Name and page. In Atom the feed's author stands for entries that name none (RFC 4287, 4.2.1)."""
    detail = entry.get("author_detail") or {}
    name = detail.get("name") or entry.get("author") or detail.get("email")
    if not name and "authors" not in entry:
        detail = feed.get("author_detail") or {}
        name = detail.get("name") or feed.get("author") or detail.get("email")
    return one_line(storable(str(name or "")))[:300], web_address(str(detail.get("href") or ""))


def _json_author(values: Entry) -> Entry:
    authors = values.get("authors")
    named = [*(authors if isinstance(authors, list) else []), values.get("author")]
    return next((author for author in named if isinstance(author, dict)), {})


def _language(*claims: Any) -> str:
    for claim in claims:
        if isinstance(claim, str) and re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}", claim.strip()):
            return claim.strip().replace("_", "-")[:20]
    return ""


def _parent(entry: Entry, link: str, namespaces: dict[str, str]) -> str:
    """What the entry answers: `thr:in-reply-to` (RFC 4685), else the page a comment's permalink is a part of."""
    prefixes = [prefix for prefix, uri in namespaces.items() if uri == _THREADING]
    for prefix in (*prefixes, "thr"):
        reply = entry.get(f"{prefix}_in-reply-to")
        if isinstance(reply, dict) and (reply.get("ref") or reply.get("href")):
            return _fit(str(reply.get("ref") or reply.get("href")))
    return _COMMENT.sub("", link) if _COMMENT.search(link) else ""


def _comments(entry: Entry) -> str:
    """The feed with the discussion: `wfw:commentRss`, in any spelling, or Atom's `link rel=replies`."""
    replies = [
        str(link.get("href") or "")
        for link in entry.get("links") or []
        if link.get("rel") == "replies" and str(link.get("type", "")).endswith(("atom+xml", "rss+xml", "/xml"))
    ]
    address = web_address(str(entry.get("wfw_commentrss") or "")) or web_address(next(iter(replies), ""))
    return address if len(address) <= 2000 else ""


def _media(entry: Entry) -> list[dict[str, str]]:
    links = [link for link in entry.get("links") or [] if link.get("rel") == "enclosure"]
    found = [(link.get("href"), link.get("type"), "") for link in links]
    found += [(m.get("url"), m.get("type"), m.get("medium")) for m in entry.get("media_content") or []]
    return _distinct_media(found)


def _attachments(entry: Entry) -> list[dict[str, str]]:
    attachments = entry.get("attachments")
    parts = [a for a in attachments if isinstance(a, dict)] if isinstance(attachments, list) else []
    return _distinct_media(
        [(a.get("url"), a.get("mime_type"), "") for a in parts] + [(entry.get("image"), "image", "")]
    )


def _distinct_media(found: list[tuple[Any, Any, Any]]) -> list[dict[str, str]]:
    media: dict[str, dict[str, str]] = {}
    for address, content_type, medium in found:
        kind = str(medium or content_type or "").partition("/")[0]
        if url := web_address(str(address or "")):
            media.setdefault(
                url, {"kind": kind if kind in ("image", "audio", "video") else "file", "url": url, "alt": ""}
            )
    return list(media.values())[:MOST_MEDIA]


def _words(values: Entry, key: str) -> str:
    value = values.get(key)
    return storable(value) if isinstance(value, str) else ""


def _fit(key: str) -> str:
    key = storable(key).strip()
    return key if len(key.encode()) <= LONGEST_ID else _print(key)


def _print(*parts: str) -> str:
    return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()
