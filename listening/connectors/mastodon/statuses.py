"""Reading a status: what a server says about a post becomes an item, or a field that can't be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import urlsplit

from lxml import etree

from ..contract import Author, Item, Json, Visibility


class UnreadableError(ValueError):
    """A field we need is missing or of another kind; the message is its name."""


def field_of(record: Json, name: str, kind: type, default: Any = None) -> Any:
    """A field; `default` if it is absent or null. Raises `UnreadableError` for another type, or with no default."""
    value = record.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, kind):
        raise UnreadableError(name)
    return clean(value) if isinstance(value, str) else value


def id_of(record: Json, name: str = "id", required: bool = True) -> str:
    """An id is opaque text; a few servers send numbers."""
    value = record.get(name)
    if value is None and not required:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    if not isinstance(value, str) or not (0 < len(value) <= 300) or clean(value) != value:
        raise UnreadableError(name)
    return value


def time_of(value: Any, name: str = "created_at") -> datetime:
    """Reads `Z`, offsets and microseconds; a time without zone is UTC."""
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableError(name) from error


def clean(text: str) -> str:
    """NUL and lone surrogates, which no database stores, become U+FFFD."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)


def web(url: Any) -> str:
    """A web address, or nothing."""
    text = clean(url) if isinstance(url, str) else ""
    return text if len(text) <= 2000 and re.match(r"https?://[^\s/]", text) else ""


_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_BLOCKS = {"p", "div", "blockquote", "pre", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6"}
_SILENT = {"script", "style", "head", "template"}


def plain(html: str) -> str:
    """The words of a fragment of HTML, paragraphs apart by an empty line."""
    if "<" not in html and "&" not in html:
        return html.strip()
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(f"<div>{html}</div>".encode(), parser)
    except etree.LxmlError:
        root = None
    if root is None:
        return ""
    parts: list[str] = []
    for event, node in etree.iterwalk(root, events=("start", "end")):
        parts.append(_opening(node) if event == "start" else _closing(node))
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _opening(node: Any) -> str:
    if node.tag in _SILENT:
        return ""
    lead = "\n" if node.tag == "br" else "\n• " if node.tag == "li" else "\n\n" if node.tag in _BLOCKS else ""
    return lead + _flat(node.text)


def _closing(node: Any) -> str:
    return ("\n" if node.tag == "li" else "\n\n" if node.tag in _BLOCKS else "") + _flat(node.tail)


def _flat(text: str | None) -> str:
    """Line breaks inside HTML's text are only blanks."""
    return (text or "").replace("\n", " ")


def uri_of(status: Json, base: str) -> str:
    """The federated id, the same on every instance; a local one only where a server keeps it to itself."""
    uri = status.get("uri")
    return clean(uri) if isinstance(uri, str) and 0 < len(uri) <= 2000 else f"{base}#{id_of(status)}"


def author_of(account: Json, base: str) -> Author:
    acct, url, uri = field_of(account, "acct", str), web(account.get("url")), web(account.get("uri"))
    if not acct:
        raise UnreadableError("account.acct")
    host = urlsplit(uri or url or base).netloc
    return Author(
        name=field_of(account, "display_name", str, "")[:300] or acct[:300],
        handle=f"@{acct if '@' in acct else f'{acct}@{host}'}"[:300],
        remote_id=uri or url or f"{base}#{id_of(account)}",
        url=url,
        bot=account.get("bot") is True,
    )


def _visibility(status: Json) -> Visibility:
    """What we don't know is not public."""
    value = field_of(status, "visibility", str, "public")
    return value if value in get_args(Visibility) else "private"


def _media(status: Json) -> tuple[Mapping[str, str], ...]:
    attachments = field_of(status, "media_attachments", list, [])
    return tuple(
        {
            "kind": field_of(each, "type", str, ""),
            "url": web(each.get("url")),
            "alt": field_of(each, "description", str, ""),
        }
        for each in attachments
        if isinstance(each, dict)
    )


def _speaks_to(status: Json, account_id: str) -> bool:
    """It mentions or quotes our account."""
    if not account_id:
        return False
    mentions = field_of(status, "mentions", list, [])
    quoted = (status.get("quote") or {}) if isinstance(status.get("quote"), dict) else {}
    original = quoted.get("quoted_status")
    author = original.get("account") if isinstance(original, dict) else None
    return any(isinstance(each, dict) and each.get("id") == account_id for each in [*mentions, author])


def item_of(status: Json, base: str, account_id: str, notified: bool = False) -> Item:
    """A status as an item, without its place in a conversation. Raises `UnreadableError`."""
    account = field_of(status, "account", dict)
    html = field_of(status, "content", str)
    mentions = [each for each in field_of(status, "mentions", list, []) if isinstance(each, dict)]
    ours = bool(account_id) and account.get("id") == account_id
    language = field_of(status, "language", str, "")
    edited = status.get("edited_at")
    return Item(
        external_id=uri_of(status, base),
        url=web(status.get("url")) or web(status.get("uri")),
        text=plain(html),
        html=html,
        author=author_of(account, base),
        published_at=time_of(status.get("created_at")),
        language=language if _LANGUAGE.fullmatch(language) else "",
        edited_at=None if edited is None else time_of(edited, "edited_at"),
        visibility=_visibility(status),
        to_us=not ours and (notified or _speaks_to(status, account_id)),
        ours=ours,
        warning=plain(field_of(status, "spoiler_text", str, "")),
        media=_media(status),
        remote={
            "id": id_of(status),
            "acct": field_of(account, "acct", str),
            "mentions": " ".join(field_of(each, "acct", str, "") for each in mentions),
            "instance": base,
        },
    )
