"""Speaking: what is sent, what an answer proves, and finding our own words again."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import regex

from ..contract import (
    Ambiguous,
    Broken,
    Denied,
    Forbidden,
    Gone,
    Identity,
    Item,
    Json,
    NotSent,
    Receipt,
    Refused,
    Throttled,
    Trouble,
    Unknown,
    gettext_noop,
)
from .ear import resolve
from .server import NO_ANSWER, NOT_ALLOWED, NOT_DATA, SLOW_DOWN, Params, Server, excerpt, link, wait_of
from .statuses import UnreadableError, author_of, field_of, id_of, plain, time_of, uri_of, web

SKEW = timedelta(minutes=2)
"""How far a server's clock may stand from ours when we look for our own message."""
LOOK_PAGES = 3
KEY_SECONDS = 3000
"""Mastodon keeps a key for an hour; the last ten minutes are left alone."""
KEYS = {
    "mastodon": "honoured",
    "hollo": "honoured",
    "gotosocial": "ignored",
    "takahe": "ignored",
    "pixelfed": "ignored",
}
REFUSALS = {400, 401, 403, 404, 410, 413, 422}
"""Answers to a post that mean "not published", if the body is the documented `{"error": …}`."""
PARENT_GONE = gettext_noop("The message you answer is no longer there.")
ANSWER_THERE = gettext_noop("Your account’s server can’t find this message. Answer it on the network itself.")
UNCERTAIN = gettext_noop("The network did not confirm. The answer may be out.")
ASTRAY = gettext_noop("The network published it, but not under the message it answers.")
SEVERAL = gettext_noop("More than one message on the network could be this answer.")
DIFFERS = gettext_noop("There is an answer from your account, but its text differs.")


_URL = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]}»”'…]")
_MENTION = re.compile(r"(?<![=/\w])@(?P<user>\w+(?:[\w.-]*\w)?)(?:@[\w.:-]*\w)?")


def _mention(parent: Item, facts: Json) -> str:
    """How to name the author so that they are told: with their server where the account lives on another one."""
    acct, here = parent.remote.get("acct", ""), parent.remote.get("instance")
    known_here = here == facts.get("base_url", here)
    return f"@{acct}" if acct and ("@" in acct or known_here) else parent.author.handle


def _names(text: str, mention: str) -> bool:
    return bool(re.search(rf"(?<![=/\w]){re.escape(mention)}(?![\w@])", text, re.IGNORECASE))


def _normal(text: str) -> str:
    """A text as far as servers leave it alone: Unicode form, blanks, and the server in a mention may change."""
    return " ".join(_MENTION.sub(lambda found: f"@{found['user'].lower()}", unicodedata.normalize("NFC", text)).split())


def _software(server: Server) -> tuple[str, str]:
    """Name and version as NodeInfo gives them, ("", "") where it doesn't. https://nodeinfo.diaspora.software"""
    try:
        links = server.object("/.well-known/nodeinfo").get("links")
        hrefs = [each["href"] for each in links] if isinstance(links, list) else []
        software = server.object(urlsplit(hrefs[-1]).path)["software"]
        return field_of(software, "name", str).lower(), field_of(software, "version", str, "")
    except (Trouble, UnreadableError, LookupError, TypeError, AttributeError, ValueError):
        return "", ""


def _instance(server: Server) -> Json:
    """What the server says about itself: version 2 of the question, else 1, else nothing."""
    for version in ("v2", "v1"):
        try:
            return server.object(f"/api/{version}/instance")
        except Trouble:
            continue
    return {}


def _number(record: Any, *path: str, default: int) -> int:
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, int) and not isinstance(record, bool) and record > 0 else default


def _facts(server: Server) -> Json:
    instance = _instance(server)
    software, version = _software(server)
    if not software and str(instance.get("source_url", "")).endswith("github.com/mastodon/mastodon"):
        software = "mastodon"
    statuses = ("configuration", "statuses")
    old_limit = _number(instance, "max_toot_chars", default=500)  # Pleroma, old forks
    return {
        "base_url": server.base,
        "software": software,
        "version": version or str(instance.get("version", ""))[:100],
        "max_characters": _number(instance, *statuses, "max_characters", default=old_limit),
        "url_characters": _number(instance, *statuses, "characters_reserved_per_url", default=23),
        "keys": KEYS.get(software, "unknown"),
        "key_seconds": KEY_SECONDS,
    }


def _parent_id(server: Server, payload: Json, facts: Json) -> str:
    """The parent's id on the speaker's own server, before anything is published. Raises NotSent, Refused."""
    local = str(payload["in_reply_to_id"])
    try:
        if payload["instance"] != server.base:
            local = resolve(server, payload["in_reply_to_uri"])
        elif facts.get("keys") != "honoured":
            # Takahe publishes an answer to a missing message as a message of its own.
            server.get(f"/api/v1/statuses/{quote(local, safe='')}")
    except (Gone, UnreadableError) as gone:
        raise Refused(PARENT_GONE) from gone
    except Denied as denied:
        raise Refused(NOT_ALLOWED, account=denied.status == 401) from denied
    except Forbidden as forbidden:
        raise Refused(forbidden.words) from forbidden
    except Trouble as trouble:
        raise NotSent(trouble.words, wait=trouble.wait) from trouble
    if not local:
        raise Refused(ANSWER_THERE)
    return local


def _receipt(status: Any, base: str) -> Receipt:
    """Raises `UnreadableError` if this is no status."""
    if not isinstance(status, dict) or not isinstance(status.get("id"), str):
        raise UnreadableError("id")
    return Receipt(uri_of(status, base), web(status.get("url")), time_of(status.get("created_at")))


def _judge(response: httpx.Response, parent: str, base: str, now: datetime) -> Receipt:
    """What an answer to a post proves. Raises NotSent, Refused, Unknown (RELIABILITY: outcome classes)."""
    status = response.status_code
    if status == 429:
        raise NotSent(SLOW_DOWN, wait=wait_of(response.headers, now))
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise Unknown(UNCERTAIN) from error
    if status in REFUSALS and isinstance(body, dict) and body.get("error"):
        raise Refused(excerpt(response), account=status == 401)
    if not 200 <= status < 300:
        raise Unknown(UNCERTAIN)
    try:
        receipt = _receipt(body, base)
        under = id_of(body, "in_reply_to_id", required=False)
    except UnreadableError as error:
        raise Unknown(UNCERTAIN) from error
    if under != parent:
        raise Unknown(ASTRAY)
    return receipt


def _own_statuses(server: Server, account_id: str, since: datetime) -> list[Json]:
    """Our newest statuses, back to `since`. Raises a `Trouble`."""
    path = f"/api/v1/accounts/{quote(account_id, safe='')}/statuses"
    params: Params = [("exclude_reblogs", "true"), ("limit", "40")]
    found: list[Json] = []
    older: Params | None = []
    for _ in range(LOOK_PAGES):
        entries, headers = server.list(path, params + [pair for pair in older or [] if pair[0] != "exclude_reblogs"])
        page = [each for each in entries if isinstance(each, dict)]
        found += page
        older = link(headers, "next")
        if not page or older is None or _written(page[-1]) < since:
            break
    return found


def _written(status: Json) -> datetime:
    """When, or the beginning of time for what can't be read."""
    try:
        return time_of(status.get("created_at"))
    except UnreadableError:
        return datetime.min.replace(tzinfo=UTC)


def _below(server: Server, parent: str) -> list[Json]:
    """What stands under the parent: some servers list private answers only here. Nothing if it is gone."""
    try:
        context = server.object(f"/api/v1/statuses/{quote(parent, safe='')}/context")
    except (Gone, Denied, Broken):
        return []
    descendants = context.get("descendants")
    return [each for each in descendants if isinstance(each, dict)] if isinstance(descendants, list) else []


def _scopes(server: Server) -> tuple[str, ...]:
    """What the token may do, where the server tells (Mastodon 4.3)."""
    try:
        scopes = server.object("/api/v1/apps/verify_credentials").get("scopes")
    except Trouble:
        return ()
    return tuple(each for each in scopes if isinstance(each, str)) if isinstance(scopes, list) else ()


def identify(server: Server) -> Identity:
    """Who this token speaks for, and what the server allows. Raises a `Trouble`."""
    account = server.object("/api/v1/accounts/verify_credentials")
    try:
        author, remote_id = author_of(account, server.base), id_of(account)
    except UnreadableError as error:
        raise Broken(NOT_DATA, details=str(error)) from error
    return Identity(remote_id, author.handle, author.name, author.url, _scopes(server), _facts(server))


def length(text: str, facts: Json) -> int:
    """Characters as people see them; an address counts as a fixed number, a mention without its server.
    Count `spoiler_text + status` of the payload: both share the limit."""
    text = _URL.sub("x" * int(facts.get("url_characters", 23)), text)
    return len(regex.findall(r"\X", _MENTION.sub(lambda found: f"@{found['user']}", text)))


def compose(parent: Item, text: str, facts: Json, speaker_handle: str) -> Json:
    """The payload. Names the author (only those named are told), and nobody else: others may not want it."""
    mention = _mention(parent, facts)
    named = parent.ours or mention.lower() == speaker_handle.lower() or _names(text, mention)
    return {
        "status": text if named else f"{mention} {text}",
        "in_reply_to_id": parent.remote.get("id", ""),
        "in_reply_to_uri": parent.external_id,
        "instance": parent.remote.get("instance", ""),
        "visibility": parent.visibility,
        "spoiler_text": parent.warning,
        "language": parent.language,
    }


def send(server: Server, facts: Json, payload: Json, key: str) -> Receipt:
    """Posts once. Raises NotSent, Refused, Unknown."""
    parent = _parent_id(server, payload, facts)
    wanted = ("status", "visibility", "spoiler_text", "language")
    body = {name: payload[name] for name in wanted if payload.get(name)} | {"in_reply_to_id": parent}
    headers = server.headers() | {"Idempotency-Key": key}
    try:
        response = server.world.http.post(
            f"{server.base}/api/v1/statuses", json=body, headers=headers, follow_redirects=False
        )
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise NotSent(NO_ANSWER) from error
    except Throttled as busy:  # our own queue for this host
        raise NotSent(busy.words, wait=busy.wait) from busy
    except Forbidden as forbidden:
        raise Refused(forbidden.words) from forbidden
    except (httpx.HTTPError, Trouble) as error:
        raise Unknown(UNCERTAIN) from error
    return _judge(response, parent, server.base, server.world.now())


def look(server: Server, account_id: str, payload: Json, since: datetime) -> Receipt | None:
    """Our statuses written since the first try, under the same parent, with the same words: found once is a
    receipt. Raises Ambiguous (twice, other words, or out of place), or a `Trouble` when nothing could be seen."""
    since -= SKEW
    try:
        parent = _parent_id(server, payload, {"keys": "honoured"})
    except (Refused, NotSent) as error:
        raise Broken(error.words) from error
    ours = {
        uri_of(status, server.base): status
        for status in [*_below(server, parent), *_own_statuses(server, account_id, since)]
        if (status.get("account") or {}).get("id") == account_id and _written(status) >= since
    }.values()
    same = [each for each in ours if _normal(plain(str(each.get("content")))) == _normal(payload["status"])]
    exact = [each for each in same if each.get("in_reply_to_id") == parent]
    if len(exact) == 1:
        return _receipt(exact[0], server.base)
    if exact:
        raise Ambiguous(SEVERAL)
    if any(each.get("in_reply_to_id") is None for each in same):
        raise Ambiguous(ASTRAY)
    if any(each.get("in_reply_to_id") == parent for each in ours):
        raise Ambiguous(DIFFERS)
    return None
