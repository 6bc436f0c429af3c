"""Polling a feed over HTTP: what is asked, what is believed, what is remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from listening.connectors.contract import Broken, Heard, Place, World
from listening.connectors.feed import FEED
from listening.fetching import Policy, client
from listening.isolation import isolated

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Site:
    """A site whose answers a test sets: path → (status, headers, body)."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                status, headers, body = site.answers[self.path]
                if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
                    status, body = 304, b""
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.netloc = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.netloc}/feed"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def shows(self, *entries: str, path: str = "/feed", head: str = "", **headers: str) -> None:
        items = "".join(f"<item><guid isPermaLink='false'>{e}</guid><title>{e}</title></item>" for e in entries)
        body = f"<rss version='2.0'><channel><title>Site</title>{head}{items}</channel></rss>".encode()
        self.answers[path] = 200, {name.replace("_", "-"): value for name, value in headers.items()}, body

    def poll(
        self, cursor: dict[str, Any] | None = None, at: datetime = NOW, known: Sequence[str] = (), path: str = "/feed"
    ) -> Heard:
        place = Place(f"http://{self.netloc}{path}", known_ids=lambda ids: set(known).intersection(ids))
        http = client(Policy(frozenset({self.netloc})))
        return FEED.poll(place, cursor or {}, World(http, isolated, lambda: at))


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


def ids(heard: Heard) -> list[str]:
    return [item.external_id for item in heard.items]


def test_validators_go_out_as_they_came_in(site: Site) -> None:
    site.shows("a", ETag='W/"x y"', Last_Modified="Thu, 19 Nov 2026 09:00:00 GMT")
    heard = site.poll(site.poll().cursor)
    assert (heard.unchanged, heard.status, heard.items) == (True, 304, ())
    sent = site.asked[1][1]
    assert sent["if-none-match"] == 'W/"x y"'
    assert sent["if-modified-since"] == "Thu, 19 Nov 2026 09:00:00 GMT"
    assert "if-none-match" not in site.asked[0][1]


def test_a_server_that_always_says_not_modified_is_caught_within_a_day(site: Site) -> None:
    site.shows("a", ETag='"for ever"')
    cursor = site.poll().cursor
    site.shows("b", "a", ETag='"for ever"')
    heard = site.poll(cursor, NOW + timedelta(hours=23))
    assert heard.unchanged
    heard = site.poll(heard.cursor, NOW + timedelta(hours=25))
    assert ids(heard) == ["b"]
    assert "if-none-match" not in site.asked[-1][1]
    site.poll(heard.cursor, NOW + timedelta(hours=26))
    assert "if-none-match" in site.asked[-1][1]


def test_validators_belong_to_the_address_after_redirects(site: Site) -> None:
    for target in ("/old", "/new"):
        site.shows(target[1:], path=target, ETag='"same"')
    site.answers["/feed"] = 302, {"Location": "/old"}, b""
    cursor = site.poll().cursor
    site.answers["/feed"] = 302, {"Location": "/new"}, b""
    assert ids(site.poll(cursor)) == ["new"]


def test_nothing_is_remembered_of_what_could_not_be_read(site: Site) -> None:
    site.shows("a", ETag='"1"')
    cursor = site.poll().cursor
    site.answers["/feed"] = 200, {"ETag": '"2"'}, b"<html><body>Log in</body></html>"
    with pytest.raises(Broken):
        site.poll(cursor)
    site.shows("b", "a", ETag='"2"')
    assert ids(site.poll(cursor)) == ["b"]


def test_equal_bytes_are_unchanged_and_a_new_head_is_no_news(site: Site) -> None:
    site.shows("a", "b")
    first = site.poll()
    second = site.poll(first.cursor)
    assert second.unchanged
    site.shows("a", "b", head="<lastBuildDate>now</lastBuildDate>")
    third = site.poll(second.cursor)
    assert (ids(third), third.complete, third.unchanged) == ([], True, False)


def test_a_bogus_not_modified_is_no_answer(site: Site) -> None:
    site.answers["/feed"] = 304, {}, b""
    with pytest.raises(Broken):
        site.poll()


def test_a_gap_is_told_unless_the_store_knows_the_entries(site: Site) -> None:
    site.shows("a", "b")
    first = site.poll()
    assert first.complete
    site.shows("c", "d")
    assert not site.poll(first.cursor).complete
    assert site.poll(first.cursor, known=["d"]).complete
    site.shows("c", "b")
    assert site.poll(first.cursor).complete


def test_an_empty_feed_that_fills_has_no_gap(site: Site) -> None:
    site.shows()
    first = site.poll()
    assert (first.items, first.complete) == ((), True)
    site.shows("a")
    second = site.poll(first.cursor)
    assert (ids(second), second.complete) == (["a"], True)


@pytest.mark.parametrize(("statuses", "moved"), [((301, 308), True), ((301, 302), False), ((307,), False)])
def test_only_a_wholly_permanent_way_is_a_move(statuses: tuple[int, ...], moved: bool, site: Site) -> None:
    site.shows("a", path=f"/{len(statuses)}")
    for step, status in enumerate(statuses):
        site.answers[f"/{step}"] = status, {"Location": f"/{step + 1}"}, b""
    heard = site.poll(path="/0")
    assert heard.moved_to == (f"http://{site.netloc}/{len(statuses)}" if moved else "")


@pytest.mark.parametrize(
    ("head", "headers", "wait"),
    [
        ("", {}, None),
        ("<ttl>10</ttl>", {}, 600.0),
        ("<ttl>10</ttl>", {"Cache_Control": "max-age=900"}, 900.0),
        ("<ttl>9999</ttl>", {}, 3600.0),
        ("<skipHours><hour>12</hour><hour>13</hour></skipHours>", {}, 7200.0),
        ("", {"Cache_Control": "max-age=99999999"}, 21600.0),
    ],
)
def test_what_the_site_asks_for_is_a_floor(head: str, headers: dict[str, str], wait: float | None, site: Site) -> None:
    site.shows("a", path="/feed", head=head, **headers)
    first = site.poll()
    assert first.wait == wait
    assert site.poll(first.cursor).wait == wait


def test_a_large_feed_goes_on_at_the_next_poll(site: Site) -> None:
    entries = [f"e{i}" for i in range(4500)]
    site.shows(*entries, ETag='"1"')
    stored: list[str] = []
    cursor: dict[str, Any] = {}
    complete: list[bool] = []
    for _ in range(3):
        heard = site.poll(cursor, known=stored)
        stored += ids(heard)
        cursor = heard.cursor
        complete.append(heard.complete)
    assert stored == entries
    assert complete == [False, False, True]
    assert len(str(cursor)) < 20_000
    site.shows("new", *entries, ETag='"2"')
    assert ids(site.poll(cursor, known=stored)) == ["new"]


def test_an_entry_that_breaks_us_is_set_aside_and_the_others_come(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1"}, 7, {"id": "2"}]}'
    site.answers["/feed"] = 200, {"Content-Type": "application/json"}, body
    heard = site.poll()
    assert ids(heard) == ["1", "2"]
    assert [aside.raw.splitlines()[-1] for aside in heard.set_aside] == ['"7"']
    assert heard.set_aside[0].reason


def test_what_no_database_takes_is_replaced(site: Site) -> None:
    body = b'{"version": "https://jsonfeed.org/version/1", "items": [{"id": "a\\u0000", "content_text": "\\ud800x"}]}'
    site.answers["/feed"] = 200, {}, body
    item = site.poll().items[0]
    assert (item.external_id, item.text) == ("a\ufffd", "\ufffdx")


@pytest.mark.parametrize(
    ("address", "name"),
    [("https://www.gazzetta.example/feed/", "gazzetta.example/feed"), ("http://a.example", "a.example")],
)
def test_a_name_from_the_address(address: str, name: str) -> None:
    assert FEED.describe(address) == name


@pytest.mark.parametrize(
    ("date", "iso"),
    [
        ("Lun, 23 Nov 2026 10:00:00 +0100", "2026-11-23T09:00:00+00:00"),
        ("lunedì 23 novembre 2026 10:00", "2026-11-23T10:00:00+00:00"),
        ("Mon, 23 Nov 2026 10:00:00 CET", "2026-11-23T09:00:00+00:00"),
        ("23 Nov 26 10:00 GMT", "2026-11-23T10:00:00+00:00"),
        ("gio, 1 gen 2026", "2026-01-01T00:00:00+00:00"),
        ("Mon, 01 Jan 0001 00:00:00 GMT", None),
        ("yesterday", None),
    ],
)
def test_dates(date: str, iso: str | None, site: Site) -> None:
    body = f"<rss version='2.0'><channel><item><title>x</title><pubDate>{date}</pubDate></item></channel></rss>"
    site.answers["/feed"] = 200, {"Content-Type": "application/rss+xml; charset=utf-8"}, body.encode()
    at = site.poll(at=NOW + timedelta(days=5)).items[0].published_at
    assert (at.isoformat() if at else None) == iso
