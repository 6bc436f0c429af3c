"""The Mastodon connector against recordings of real servers, `mastodon_mock`, the sandbox, and lines that get cut."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from demo.sandbox.server import Sandbox, start
from listening.connectors.contract import (
    Ambiguous,
    Author,
    Denied,
    Heard,
    Item,
    NotSent,
    Place,
    Receipt,
    Refused,
    Speaker,
    Throttled,
    Unknown,
    Unreachable,
)
from listening.connectors.mastodon import MASTODON
from listening.connectors.mastodon.statuses import plain
from listening.connectors.mastodon.walk import Page, Walk
from tests.listening.corpora import SHARED, corpus

from .servers import Exchange, line_to, replaying, world

RECORDINGS = SHARED / "recordings" / "mastodon"
TIMELINE = "/api/v1/timelines/tag/x?limit=30"
TAG = Place("#x", "", "token", "1")


# ── recordings ──────────────────────────────────────────────────────────────────────────────────────────────────────


def recordings() -> list[Path]:
    return sorted([*RECORDINGS.rglob("*.yaml"), *RECORDINGS.rglob("*.yml")])


def bodies(path: Path) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Address, JSON body and headers of each answer in a recording."""
    document = yaml.load(path.read_text(), yaml.CSafeLoader)
    for each in (document or {}).get("interactions") or document.get("http_interactions") or []:
        body = each["response"]["body"].get("string")
        try:
            yield each["request"]["uri"], json.loads(body), each["response"]["headers"]
        except (TypeError, ValueError):
            continue


def statuses_of(value: Any) -> list[dict[str, Any]]:
    """Whatever looks like a list of statuses in an answer."""
    lists = (
        [value] if isinstance(value, list) else [value.get(name) for name in ("ancestors", "descendants", "statuses")]
    )
    return [
        each for part in lists if isinstance(part, list) for each in part if isinstance(each, dict) and "uri" in each
    ]


def poll_page(page: list[Any]) -> Heard:
    with replaying([{"get": TIMELINE, "json": page}]) as (base, _):
        return MASTODON.poll(replace(TAG, base_url=base), {}, world(base))


@pytest.mark.skipif(not RECORDINGS.exists() and os.environ.get("CI") != "true", reason=f"{RECORDINGS} is missing")
def test_every_recorded_status_becomes_an_item() -> None:
    seen = 0
    for path in recordings():
        for _, value, _ in bodies(path):
            page = statuses_of(value) if isinstance(value, (list, dict)) else []
            page = [each for each in page if "content" in each and not each.get("reblog")]
            if not page:
                continue
            unique = {each["id"]: each for each in page}
            heard = poll_page(list(unique.values()))
            assert not heard.set_aside, (path.name, heard.set_aside[0].reason)
            assert {item.external_id for item in heard.items} == {each["uri"] for each in unique.values()}
            assert all(item.published_at and item.author.handle.count("@") == 2 for item in heard.items)
            assert not any("<" in item.text and "&lt;" not in item.html for item in heard.items)
            seen += len(unique)
    assert seen > 200


def test_recorded_links_are_walked() -> None:
    """A real server's pages, replayed: from the newest page down, then from a mark up, each status exactly once."""
    path = RECORDINGS / "mastodonpy" / "test_fetch_next_previous.yaml"
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{path} is missing")
    pages = [(uri, body, headers) for uri, body, headers in bodies(path) if isinstance(body, list) and body]
    listed = {each["id"]: each for _, body, _ in pages for each in body}
    newest_first = sorted(listed, key=int, reverse=True)
    assert len(newest_first) > 3
    exchanges = []
    for _, body, headers in pages:
        link = {name.lower(): value for name, value in headers.items()}.get("link", [""])[0]
        query = "" if body[0]["id"] == newest_first[0] else f"&max_id={_before(newest_first, body[0]['id'])}"
        exchanges.append({"get": TIMELINE + query, "json": body, "headers": {"Link": link}})
    exchanges.append({"get": f"{TIMELINE}&max_id={newest_first[-1]}", "json": []})
    with replaying(exchanges) as (base, _):
        heard = MASTODON.poll(replace(TAG, base_url=base), {}, world(base))
    assert [item.remote["id"] for item in heard.items][::-1] == [
        each for each in newest_first if each in {item.remote["id"] for item in heard.items}
    ]
    assert heard.cursor["mark"] == newest_first[0]
    assert heard.complete


def _before(newest_first: list[str], entry: str) -> str:
    return newest_first[newest_first.index(entry) - 1]


# ── hostile answers ─────────────────────────────────────────────────────────────────────────────────────────────────

PLACES = {
    "author": "account",
    "author.name": "account.display_name",
    "author.url": "account.url",
    "author.avatar": "account.avatar",
    "text": "content",
    "html": "content",
    "lang": "language",
    "in_reply_to": "in_reply_to_id",
    "attachments": "media_attachments",
    "counts": "favourites_count",
}


def good(number: int, **changes: Any) -> dict[str, Any]:
    """A status as servers give it, by somebody invented."""
    return {
        "id": str(number),
        "uri": f"https://rifugi.example/users/tullio/statuses/{number}",
        "url": f"https://rifugi.example/@tullio/{number}",
        "created_at": f"2026-11-20T09:{number % 60:02}:00.000Z",
        "content": f"<p>Passo numero {number}</p>",
        "visibility": "public",
        "account": {
            "id": "21",
            "acct": "tullio@rifugi.example",
            "display_name": "Tullio",
            "uri": "https://rifugi.example/u/21",
        },
        **changes,
    }


def mutated(status: dict[str, Any], mutation: dict[str, Any]) -> dict[str, Any]:
    value = mutation["value"]
    if isinstance(value, dict) and "repeat" in value:
        value = value["repeat"] * value["times"]
    *parents, name = PLACES.get(mutation["field"], mutation["field"]).split(".")
    target = status
    for parent in parents:
        target = target[parent]
    if value == "ABSENT":
        target.pop(name, None)
    else:
        target[name] = value
    return status


def test_junk_in_one_status_leaves_the_others_alone() -> None:
    """corpora/api-junk: good items are stored, the bad one is set aside or harmless, the cursor moves, and the same
    page again adds nothing."""
    for mutation in corpus("api-junk/mutations.json"):
        page = [good(1003), mutated(good(1002), mutation), good(1001)]
        again = [{"get": f"{TIMELINE}&min_id={mark}", "json": page} for mark in ("1003", "9999-12-31T23:59:60Z")]
        again += [{"get": f"{TIMELINE}&min_id={mark}", "json": page} for mark in ("0000-00-00", "2038-01-19T03:14:08Z")]
        with replaying([{"get": TIMELINE, "json": page}, *again]) as (base, _):
            place = replace(TAG, base_url=base, known_ids=lambda uris: set(uris))
            first = MASTODON.poll(place, {}, world(base))
            second = MASTODON.poll(place, first.cursor, world(base))
        uris = {item.external_id for item in first.items}
        assert {good(1003)["uri"], good(1001)["uri"]} <= uris, mutation
        assert len(first.items) + len(first.set_aside) == 3, mutation
        assert first.cursor["mark"], mutation
        assert not second.items, mutation
        for item in first.items:
            stored = json.dumps([item.text, item.author.name, item.html, item.url], ensure_ascii=False)
            stored.encode()  # no lone surrogates
            assert "\\u0000" not in stored
            assert not item.url.startswith("javascript:")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>uno<br>due</p><p>tre</p>", "uno\ndue\n\ntre"),
        ("<p>a &amp; b &lt;c&gt;</p>", "a & b <c>"),
        (
            '<p>vedi <a href="https://x.example/a"><span class="invisible">https://</span>x.example/a</a></p>',
            "vedi https://x.example/a",
        ),
        ("<ul><li>uno</li><li>due</li></ul>", "• uno\n\n• due"),
        ("prima<script>alert(1)</script>dopo", "primadopo"),
        ("<p>aperto <b>e mai chiuso", "aperto e mai chiuso"),
        ("", ""),
        ("<!-- niente -->", ""),
        ('<?xml version="1.0" encoding="utf-16"?><p>però</p>', "però"),
    ],
)
def test_html_becomes_plain_text(html: str, text: str) -> None:
    assert plain(html) == text


def test_deep_html_does_not_hurt() -> None:
    started = time.perf_counter()
    plain("<div>" * 50_000 + "fondo")
    plain("<" * 200_000)
    assert time.perf_counter() - started < 5


# ── walking lists on servers with habits ────────────────────────────────────────────────────────────────────────────


class Habits:
    """A list on a server: how it pages, and what it does with `min_id`."""

    def __init__(self, kind: str, most: int) -> None:
        self.kind, self.most = kind, most
        self.ids: list[str] = []

    def name(self, number: int) -> str:
        return {"ulid": f"01M82F{number:020}", "uuid": f"019a9d6e-0000-7000-8000-{number:012}"}.get(
            self.kind, str(number)
        )

    def fetch(self, params: list[tuple[str, str]]) -> Page:
        asked = dict(params)
        newest = self.ids[::-1]
        if (below := asked.get("max_id")) is not None:
            newest = newest[newest.index(below) + 1 :]
        if (mark := asked.get("min_id")) is not None and self.kind != "ignores":
            newer = newest[: newest.index(mark)] if mark in newest else newest
            ids = newer[: self.most] if self.kind == "since" else newer[-self.most :]
        else:
            ids = newest[: self.most]
        older = [("max_id", ids[-1])] if ids else None
        newer_link = [("min_id", ids[0])] if ids and self.kind != "only-next" else None
        return Page([(each, each) for each in ids], [], older, newer_link)


@pytest.mark.parametrize("kind", ["mastodon", "ulid", "uuid", "since", "ignores", "only-next"])
@pytest.mark.parametrize("seed", range(15))
def test_nothing_is_missed_whatever_the_servers_habits(kind: str, seed: int) -> None:
    """Posts come in bursts, polls have a budget and are killed now and then: in the end each was taken."""
    chance = random.Random(seed)
    server = Habits(kind, chance.choice((20, 30, 40)))
    cursor: dict[str, Any] = {}
    taken: list[str] = []
    number = 8

    def poll(calls: int) -> bool:
        nonlocal cursor
        trial = json.loads(json.dumps(cursor))
        got: list[str] = []
        walk = Walk(server.fetch, got.extend, lambda raws: [raw in taken for raw in raws], lambda: walk.pages >= calls)
        complete = walk.read(trial)
        if chance.random() > 0.2:  # else: killed before anything was stored
            cursor = trial
            taken.extend(got)
            return complete
        return False

    poll(9)
    for _ in range(12):
        for _ in range(chance.choice((0, 1, 5, 19, 20, 41, 130))):
            number += 1
            server.ids.append(server.name(number))
        poll(chance.choice((1, 2, 3, 9)))
    while not poll(3):
        pass
    first_depth = 3 * server.most
    assert set(taken) == set(server.ids) or set(server.ids) - set(taken) <= set(server.ids[:-first_depth])
    assert len(taken) == len(set(taken))
    assert cursor["mark"] == server.ids[-1]


def test_a_page_that_fails_keeps_the_good_ones_and_the_place() -> None:
    page = [good(number) for number in range(1030, 1000, -1)]
    links = {"Link": '<{base}/x?max_id=1001>; rel="next", <{base}/x?min_id=1030>; rel="prev"'}
    exchanges: list[Exchange] = [
        {"get": f"{TIMELINE}&min_id=1000", "json": page, "headers": links},
        {"get": f"{TIMELINE}&max_id=1001", "status": 500, "text": "<h1>oops</h1>"},
    ]
    with replaying(exchanges) as (base, _):
        heard = MASTODON.poll(replace(TAG, base_url=base), {"mark": "1000"}, world(base))
    assert len(heard.items) == 30
    assert not heard.complete
    assert heard.cursor["mark"] == "1000"
    assert (
        heard.cursor["walk"] == {"top": "1030", "older": [["max_id", "1001"]]} or heard.cursor["walk"]["top"] == "1030"
    )


def test_a_context_that_never_comes_does_not_hold_up_the_list() -> None:
    """A reply whose conversation can't be had is tried twice, then stands alone."""
    page = [good(1003), good(1002, in_reply_to_id="77"), good(1001)]
    with replaying([{"get": TIMELINE, "json": page}]) as (base, _), line_to(urlsplit(base).port or 0) as line:
        line.cut, line.method = "before", b"GET /api/v1/statuses/1002/context"
        place = replace(TAG, base_url=line.url)
        first = MASTODON.poll(place, {}, world(line.url))
        second = MASTODON.poll(place, first.cursor, world(line.url))
    assert (len(first.items), first.complete) == (1, False)
    assert (len(second.items), second.complete) == (3, True)
    assert second.items[1].conversation_key == second.items[1].external_id


def test_token_goes_nowhere_but_to_its_own_server() -> None:
    """A `Link` to another host is followed on our own."""
    links = {"Link": '<http://127.0.0.1:9/steal?max_id=1001>; rel="next"'}
    with replaying([{"get": TIMELINE, "json": [good(1001)], "headers": links}]) as (base, replay):
        MASTODON.poll(replace(TAG, base_url=base), {}, world(base))
        assert replay.asked[-1] == f"{TIMELINE}&max_id=1001"


# ── composing and counting ──────────────────────────────────────────────────────────────────────────────────────────


def parent_of(**changes: Any) -> Item:
    fields: dict[str, Any] = {
        "external_id": "https://rifugi.example/s/1",
        "author": Author("Tullio", "@tullio@rifugi.example"),
        "remote": {"id": "1", "acct": "tullio@rifugi.example", "instance": "https://pinete.example"},
        "language": "it",
    }
    return Item(**fields | changes)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Eccoci.", "@tullio@rifugi.example Eccoci."),
        ("Ciao @tullio@rifugi.example, eccoci.", "Ciao @tullio@rifugi.example, eccoci."),
        ("Ciao @TULLIO@Rifugi.example!", "Ciao @TULLIO@Rifugi.example!"),
        ("posta: a@tullio@rifugi.example", "@tullio@rifugi.example posta: a@tullio@rifugi.example"),
        ("@tullio eccoci", "@tullio@rifugi.example @tullio eccoci"),
    ],
)
def test_author_is_named_once(text: str, status: str) -> None:
    assert MASTODON.compose(parent_of(), text, {}, "@nivalta@pinete.example")["status"] == status


def test_an_answer_is_as_visible_as_its_parent_and_keeps_its_warning() -> None:
    payload = MASTODON.compose(parent_of(visibility="direct", warning="taglie"), "Sì.", {}, "@nivalta@pinete.example")
    assert (payload["visibility"], payload["spoiler_text"]) == ("direct", "taglie")


def test_somebody_heard_through_another_server_is_named_with_theirs() -> None:
    parent = parent_of(
        remote={"id": "1", "acct": "mirta", "instance": "https://altrove.example"},
        author=Author("Mirta", "@mirta@altrove.example"),
    )
    payload = MASTODON.compose(parent, "Sì.", {"base_url": "https://pinete.example"}, "@nivalta@pinete.example")
    assert payload["status"] == "@mirta@altrove.example Sì."


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("ciao", 4),
        ("👨‍👩‍👧‍👦", 1),
        ("e\u0301", 1),
        ("https://nivalta.example/una/pagina/molto/lunga?con=tanto", 23),
        ("(https://nivalta.example/x).", 26),
        ("@tullio@rifugi.example ciao", 12),
        ("posta a@b.example", 17),
    ],
)
def test_length_is_counted_as_mastodon_counts(text: str, length: int) -> None:
    assert MASTODON.length(text, {"url_characters": 23}) == length


# ── speaking, on the sandbox ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setenv("ASCOLTO_TEST", "1")
    running = start(keys=True)
    yield running
    running.stop()


def speaker_at(base: str, token: str = "nivalta-demo-token") -> Speaker:
    identity = MASTODON.identify(base, token, world(base))
    return Speaker(base, token, identity.remote_id, identity.handle, identity.facts)


def hear(base: str, token: str, us: str, cursor: dict[str, Any] | None = None) -> Heard:
    return MASTODON.poll(Place("mentions", base, token, us), cursor or {}, world(base))


def question(sandbox: Sandbox, text: str = "@nivalta il laccio si è rotto") -> Item:
    sandbox.say("gemma", text)
    return hear(sandbox.url, "nivalta-demo-token", "101").items[-1]


def answer(speaker: Speaker, item: Item, key: str, text: str = "Te ne mandiamo uno — Marta") -> Receipt:
    payload = MASTODON.compose(item, text, speaker.facts, speaker.handle)
    return MASTODON.send(speaker, payload, key, world(speaker.base_url, sending=True))


def found(speaker: Speaker, item: Item, text: str = "Te ne mandiamo uno — Marta") -> Receipt | None:
    payload = MASTODON.compose(item, text, speaker.facts, speaker.handle)
    return MASTODON.look(speaker, payload, datetime.now(UTC) - timedelta(seconds=30), world(speaker.base_url))


def test_question_heard_and_answered_once(sandbox: Sandbox) -> None:
    speaker = speaker_at(sandbox.url)
    assert speaker.handle == "@nivalta@piazzetta.example"
    assert (speaker.facts["keys"], speaker.facts["max_characters"]) == ("honoured", 500)
    item = question(sandbox)
    assert item.to_us
    receipt = answer(speaker, item, "key-1")
    assert answer(speaker, item, "key-1") == receipt
    assert [post["text"] for post in sandbox.published()] == ["@gemma Te ne mandiamo uno — Marta"]
    assert found(speaker, item) == receipt
    place = Place(MASTODON.discussion(item), sandbox.url, speaker.token, "101")
    watched = MASTODON.poll(place, {}, world(sandbox.url))
    elsewhere = replace(item, remote={"id": "9", "instance": "https://altrove.example"})
    for address in (MASTODON.discussion(elsewhere), f"context:{item.external_id}", f"context:{item.remote['id']}"):
        same = MASTODON.poll(replace(place, address=address), {}, world(sandbox.url))
        assert same.items == watched.items
    ours = watched.items[-1]
    assert (ours.external_id, ours.ours, ours.in_reply_to) == (receipt.remote_id, True, item.external_id)
    assert ours.conversation_key == item.conversation_key == item.external_id


UNKNOWN = [
    {"what": "drop", "published": True},
    {"what": "drop", "published": False},
    {"what": "half", "published": True},
    {"what": "half", "published": False},
    {"what": "empty", "published": True},
    {"what": "html", "published": True},
    *({"what": "status", "status": status, "published": True} for status in (408, 409, 500, 502, 503, 504)),
    *({"what": "status", "status": status, "published": False} for status in (408, 409, 500, 502, 503, 504)),
    {"what": "status", "status": 302, "headers": {"Location": "/login"}, "body": "moved"},
    {"what": "status", "status": 307, "headers": {"Location": "/api/v1/statuses"}, "body": "moved", "published": True},
    {"what": "status", "status": 201, "body": {}, "published": True},
    {"what": "status", "status": 200, "body": {"status_id": "77"}, "published": False},
    {"what": "status", "status": 200, "body": {"id": 77, "created_at": "2026-11-20T09:00:00Z"}, "published": False},
    {"what": "status", "status": 400, "body": "Bad Request", "published": True},
    {"what": "status", "status": 403, "body": "<h1>action blocked</h1>", "published": True},
    {"what": "status", "status": 404, "body": "<h1>Not found</h1>"},
    {"what": "status", "status": 422, "body": {"message": "duplicate"}, "published": True},
]


@pytest.mark.parametrize("fault", UNKNOWN, ids=lambda fault: "-".join(map(str, fault.values())))
def test_what_proves_nothing_is_unknown_and_then_looked_for(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    sandbox.fault(fault)
    with pytest.raises(Unknown):
        answer(speaker, item, "key-1")
    published = sandbox.published()
    receipt = found(speaker, item)
    assert (receipt is not None) == bool(published)
    if receipt:
        assert receipt.remote_id.endswith(published[0]["id"])
    assert answer(speaker, item, "key-1")  # the same key again publishes nothing twice
    assert len(sandbox.published()) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_documented_refusals_are_refused(sandbox: Sandbox, status: int) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    sandbox.fault({"what": "status", "status": status})
    with pytest.raises(Refused) as caught:
        answer(speaker, item, "key-1")
    assert caught.value.account == (status == 401)
    assert caught.value.words
    assert not sandbox.published()


def test_busy_network_has_not_published(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    for header, least, most in (("-5", 1, 1), ("7", 7, 7), ("999999999", 21600, 21600)):
        sandbox.fault({"what": "status", "status": 429, "headers": {"Retry-After": header}})
        with pytest.raises(NotSent) as caught:
            answer(speaker, item, "key-1")
        assert caught.value.wait is not None
        assert least <= math.floor(caught.value.wait) <= most
    assert not sandbox.published()


def test_nobody_listening_has_not_published(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    dead = "http://127.0.0.1:9"
    with pytest.raises(NotSent):
        answer(replace(speaker, base_url=dead), replace(item, remote={**item.remote, "instance": dead}), "key-1")


def test_revoked_token_holds_the_account(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    with pytest.raises(Refused) as caught:
        answer(replace(speaker, token="revoked"), item, "key-1")
    assert caught.value.account
    with pytest.raises(Denied):
        MASTODON.identify(sandbox.url, "revoked", world(sandbox.url))
    with pytest.raises(Denied):
        hear(sandbox.url, "revoked", "101")


def test_server_that_ignores_keys_is_known_as_such(sandbox: Sandbox) -> None:
    sandbox.store.keys = False
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    assert speaker.facts["keys"] == "ignored"
    answer(speaker, item, "key-1")
    answer(speaker, item, "key-1")
    assert len(sandbox.published()) == 2
    with pytest.raises(Ambiguous):
        found(speaker, item)


def test_parent_that_is_gone_is_refused_before_anything_is_said(sandbox: Sandbox) -> None:
    sandbox.store.keys = False
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    sandbox.store.delete(int(item.remote["id"]))
    with pytest.raises(Refused):
        answer(speaker, item, "key-1")
    assert not sandbox.store.attempts()


def test_message_heard_elsewhere_is_found_here_first(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    elsewhere = replace(item, remote={"id": "9", "acct": "gemma", "instance": "https://altrove.example"})
    answer(speaker, elsewhere, "key-1")
    assert sandbox.published()[0]["in_reply_to_id"] == item.remote["id"]
    with pytest.raises(Refused, match="on the network itself"):
        answer(speaker, replace(elsewhere, external_id="https://altrove.example/s/404"), "key-2")


def test_another_answer_of_ours_under_the_same_message_needs_a_person(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    sandbox.say("nivalta", "@gemma altre parole", item.remote["id"])
    with pytest.raises(Ambiguous):
        found(speaker, item)
    sandbox.say("nivalta", "@gemma@piazzetta.example  Te ne mandiamo\nuno — Marta", item.remote["id"])
    assert found(speaker, item)


def test_the_same_words_to_somebody_else_are_no_trace(sandbox: Sandbox) -> None:
    speaker, first = speaker_at(sandbox.url), question(sandbox)
    second = question(sandbox, "@nivalta anche il mio")
    answer(speaker, first, "key-1")
    assert found(speaker, second) is None


def test_answer_under_nothing_is_not_called_sent(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    sandbox.fault({"what": "status", "status": 200, "body": good(77, in_reply_to_id=None), "published": False})
    with pytest.raises(Unknown, match="not under"):
        answer(speaker, item, "key-1")
    sandbox.say("nivalta", "@gemma Te ne mandiamo uno — Marta")
    with pytest.raises(Ambiguous):
        found(speaker, item)


def test_list_that_lags_is_seen_later(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    sandbox.fault({"what": "lag", "seconds": 0.4})
    receipt = answer(speaker, item, "key-1")
    assert found(speaker, item) is None
    time.sleep(0.5)
    assert found(speaker, item) == receipt


def test_deleted_question_is_noticed(sandbox: Sandbox) -> None:
    speaker, item = speaker_at(sandbox.url), question(sandbox)
    answer(speaker, item, "key-1")
    place = Place(f"context:{item.remote['id']}", sandbox.url, speaker.token, "101")
    first = MASTODON.poll(place, {}, world(sandbox.url))
    sandbox.store.delete(int(item.remote["id"]))
    second = MASTODON.poll(place, first.cursor, world(sandbox.url))
    assert second.removed == (item.external_id,)


def test_newest_pages_are_read_again_after_some_hours(sandbox: Sandbox) -> None:
    post = sandbox.say("gemma", "sul sentiero #escursionismo")
    place = Place("#escursionismo", sandbox.url)
    first = MASTODON.poll(place, {}, world(sandbox.url))
    sandbox.store.edit(post, "sul sentiero alto #escursionismo")
    soon = MASTODON.poll(place, first.cursor, world(sandbox.url))
    late = MASTODON.poll(place, soon.cursor, world(sandbox.url, now=datetime.now(UTC) + timedelta(hours=7)))
    assert not soon.items
    assert [item.text for item in late.items] == ["sul sentiero alto #escursionismo"]
    assert late.items[0].edited_at


# ── somebody else's server ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def mock_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """mastodon_mock (PyPI) as a process of its own."""
    folder = tmp_path_factory.mktemp("mock")
    config = folder / "mock.toml"
    config.write_text(
        "".join(
            f'[[seed.accounts]]\nusername = "{name}"\ndisplay_name = "{name}"\naccess_token = "{name}-token"\n'
            for name in ("nivalta", "gemma")
        )
    )
    with line_to(0) as free:
        port = urlsplit(free.url).port
    command = [sys.executable, "-m", "mastodon_mock", "serve", "--in-memory", "--log-level", "critical"]
    process = subprocess.Popen([*command, "--config", str(config), "--port", str(port)], cwd=folder)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_for(base)
        yield base
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(base: str) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            httpx.get(f"{base}/api/v1/instance", timeout=1)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("mastodon_mock did not start")


def mock_question(base: str, text: str) -> tuple[Speaker, Item]:
    headers = {"Authorization": "Bearer gemma-token"}
    httpx.post(f"{base}/api/v1/statuses", json={"status": text}, headers=headers).raise_for_status()
    speaker = speaker_at(base, "nivalta-token")
    return speaker, hear(base, speaker.token, speaker.remote_id).items[-1]


def mock_answers(base: str, item: Item) -> list[dict[str, Any]]:
    context = httpx.get(f"{base}/api/v1/statuses/{item.remote['id']}/context").json()
    return list(context["descendants"])


@pytest.mark.xdist_group("mastodon_mock")
def test_mock_is_heard_and_answered(mock_server: str) -> None:
    speaker, item = mock_question(mock_server, "@nivalta la tasca si è scucita")
    assert speaker.facts["keys"] == "honoured"
    assert item.to_us
    receipt = answer(speaker, item, "mock-1")
    assert answer(speaker, item, "mock-1").remote_id == receipt.remote_id
    assert found(speaker, item) == receipt
    assert len(mock_answers(mock_server, item)) == 1
    tagged = httpx.post(
        f"{mock_server}/api/v1/statuses",
        json={"status": "su #sentieri"},
        headers={"Authorization": "Bearer gemma-token"},
    ).json()
    heard = MASTODON.poll(Place("#sentieri", mock_server, speaker.token, speaker.remote_id), {}, world(mock_server))
    assert [each.remote["id"] for each in heard.items] == [tagged["id"]]
    again = MASTODON.poll(
        Place("#sentieri", mock_server, speaker.token, speaker.remote_id), heard.cursor, world(mock_server)
    )
    assert not again.items


@pytest.mark.xdist_group("mastodon_mock")
@pytest.mark.parametrize(("cut", "out"), [("before", False), ("after", True), ("half", True)])
def test_mock_behind_a_line_that_is_cut(mock_server: str, cut: Any, out: bool) -> None:
    _, item = mock_question(mock_server, f"@nivalta la fibbia, {cut}")
    with line_to(urlsplit(mock_server).port or 0) as line:
        speaker = speaker_at(line.url, "nivalta-token")
        here = replace(item, remote={**item.remote, "instance": line.url})
        line.cut = cut
        with pytest.raises(Unknown):
            answer(speaker, here, f"cut-{cut}")
        line.cut = ""
        assert (found(speaker, here) is not None) == out
        answer(speaker, here, f"cut-{cut}")
        assert found(speaker, here)
    assert len(mock_answers(mock_server, item)) == 1


@pytest.mark.xdist_group("mastodon_mock")
def test_mock_refuses_what_is_too_long(mock_server: str) -> None:
    speaker, item = mock_question(mock_server, "@nivalta una domanda lunga")
    with pytest.raises(Refused):
        answer(speaker, item, "long-1", "x" * 600)


@pytest.mark.xdist_group("mastodon_mock")
def test_mock_behind_a_dead_line_is_unreachable(mock_server: str) -> None:
    with line_to(urlsplit(mock_server).port or 0) as line:
        line.cut, line.method = "before", b"GET"
        with pytest.raises((Unreachable, Throttled)):
            hear(line.url, "nivalta-token", "1")
