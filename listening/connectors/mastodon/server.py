"""Calling a server: its answers as values, its refusals as troubles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from .._waiting import LONGEST, SHORTEST, retry_after
from ..contract import Broken, Denied, Gone, Json, Throttled, Trouble, Unreachable, World, gettext_noop

Params = list[tuple[str, str]]

NO_ANSWER = gettext_noop("The network does not answer.")
SLOW_DOWN = gettext_noop("The network asks us to slow down.")
NOT_ALLOWED = gettext_noop("The network no longer accepts this account. Connect it again.")
NEEDS_ACCOUNT = gettext_noop("This network shows this only to its members. Connect an account there.")
NOT_THERE = gettext_noop("There is nothing at this address any more.")
NOT_DATA = gettext_noop("The network answered with something that is not what we asked for.")
TROUBLED = gettext_noop("The network reports trouble of its own.")


@dataclass
class Server:
    """One server, with our credential, for one poll or one answer."""

    base: str
    token: str
    world: World
    calls: int = 0

    def headers(self) -> dict[str, str]:
        # Error texts follow the language: one that people who support the product can read.
        headers = {"Accept": "application/json", "Accept-Language": "en"}
        return headers | {"Authorization": f"Bearer {self.token}"} if self.token else headers

    def get(self, path: str, params: Iterable[tuple[str, str]] = ()) -> tuple[Any, httpx.Headers]:
        """JSON value and headers of an answer. Raises a `Trouble`."""
        self.calls += 1
        try:
            response = self.world.http.get(
                self.base + path, params=list(params), headers=self.headers(), follow_redirects=False
            )
        except httpx.HTTPError as error:
            raise Unreachable(NO_ANSWER, details=f"{type(error).__name__}: {error}") from error
        if response.status_code != 200:
            raise trouble_of(response, self.world.now(), bool(self.token))
        try:
            return json.loads(response.content), response.headers
        except (ValueError, RecursionError) as error:
            raise Broken(NOT_DATA, details=excerpt(response), status=200) from error

    def list(self, path: str, params: Iterable[tuple[str, str]] = ()) -> tuple[list[Any], httpx.Headers]:
        value, headers = self.get(path, params)
        if not isinstance(value, list):
            raise Broken(NOT_DATA, details=f"{path}: {type(value).__name__}", status=200)
        return value, headers

    def object(self, path: str, params: Iterable[tuple[str, str]] = ()) -> Json:
        value, _ = self.get(path, params)
        if not isinstance(value, dict):
            raise Broken(NOT_DATA, details=f"{path}: {type(value).__name__}", status=200)
        return value


def server_at(base_url: str, token: str, world: World) -> Server:
    return Server(base_url.rstrip("/"), token, world)


def trouble_of(response: httpx.Response, now: datetime, with_token: bool) -> Trouble:
    """What a status other than 200 means. Never by its text: that is translated, or a proxy's HTML."""
    status, details = response.status_code, f"{response.status_code} {excerpt(response)}"
    wait = wait_of(response.headers, now)
    if status == 429 or (status == 503 and "retry-after" in response.headers):
        return Throttled(SLOW_DOWN, details=details, wait=wait, status=status)
    # Takahe says 400 in plain text to a bad token; Mastodon 422 where a timeline is closed to strangers.
    bad_token = status == 400 and "json" not in response.headers.get("content-type", "")
    if status in (401, 403) or (with_token and bad_token) or (status == 422 and not with_token):
        return Denied(NOT_ALLOWED if with_token else NEEDS_ACCOUNT, details=details, status=status)
    if status in (404, 410):
        return Gone(NOT_THERE, details=details, status=status)
    return Broken(TROUBLED if status >= 500 else NOT_DATA, details=details, status=status)


def wait_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds a server asks us to wait: `Retry-After`, else `X-RateLimit-Reset` (an ISO time on Mastodon, epoch seconds
    elsewhere). None if it says nothing readable."""
    if (wait := retry_after(headers, now)) is not None:
        return wait
    reset = headers.get("x-ratelimit-reset", "").strip()
    try:
        epoch = re.fullmatch(r"\d{1,12}(\.\d+)?", reset)
        until = datetime.fromtimestamp(float(reset), UTC) if epoch else datetime.fromisoformat(reset)
        left = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(left, SHORTEST), LONGEST)


def excerpt(response: httpx.Response) -> str:
    """The beginning of a body, for the technical side of a message."""
    try:
        error = json.loads(response.content).get("error")
        text = error if isinstance(error, str) else json.dumps(error)
    except (ValueError, RecursionError, AttributeError):
        text = response.content[:300].decode("utf-8", "replace")
    return " ".join(text.encode("utf-8", "replace").decode().replace("\0", "").split())[:300]


def link(headers: httpx.Headers, rel: str) -> Params | None:
    """The query of the `Link` to an older (`next`) or newer (`prev`) page."""
    for url, attributes in re.findall(r"<([^>]*)>([^<]*)", headers.get("link", "")):
        if re.search(rf'rel="?{rel}"?', attributes):
            return [pair for pair in parse_qsl(urlsplit(url).query, keep_blank_values=True) if pair[0] != "limit"]
    return None
