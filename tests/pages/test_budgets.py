"""What a page may weigh, and what it may ask of the database."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from listening.connectors.contract import Item
from tests.cast import Cast, hear, item
from tests.pages.conftest import Place, Visit

KILO = 1024
LIST_STATEMENTS = 8
"""Without BEGIN and COMMIT: session, log-in and person, the taking of two roles (web, then staff), the person's brands,
rows, counts, calendar."""
INBOX = "/b/nivalta/inbox/triage/"


@pytest.fixture
def fifty(square: Place) -> None:
    """A full page of the list, no two rows alike."""
    words = ("zaino", "tenda", "scarponi", "bastoncini", "sentiero", "rifugio", "cordino", "lampada", "guscio", "tazza")

    def said(number: int) -> Item:
        text = " ".join(words[(number * step) % 10] for step in range(1, 18))
        remote = {"id": str(number), "instance": square.source.base_url, "mentions": []}
        return item(f"s{number}", f"Nivalta, {text}?", f"{words[number % 10]}{number}", remote=remote)

    hear(square.source, *(said(number) for number in range(51)))


def weight(content: bytes) -> float:
    """Kilobytes as they travel."""
    return len(gzip.compress(content, 9)) / KILO


@pytest.mark.usefixtures("fifty")
def test_what_the_first_page_weighs(visit: Visit) -> None:
    page = visit("marta", "/me/")
    loaded: dict[str, float] = {}
    page.on("response", lambda answer: loaded.update({answer.url: weight(answer.body())}))
    page.goto(INBOX)
    page.wait_for_load_state("networkidle")
    assert page.locator("#list a.t").count() == 50

    def total(pattern: str) -> float:
        return sum(size for url, size in loaded.items() if re.search(pattern, url))

    assert 0 < total(r"\.js$") <= 40, loaded
    assert 0 < total(r"\.css$") <= 14, loaded
    assert 0 < total(r"icons\.svg$") <= 8, loaded
    assert 0 < total(f"{INBOX}$") <= 20, loaded


def statements(client: Client, path: str, status: int = 200) -> list[str]:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == status
    every = [query["sql"] for query in asked.captured_queries]
    return [sql for sql in every if sql not in ("BEGIN", "COMMIT")]


@pytest.mark.usefixtures("fifty")
def test_how_often_the_list_asks(signed_in: Callable[[str], Client]) -> None:
    client = signed_in("marta")
    client.get(INBOX)
    asked = statements(client, INBOX)
    assert len(asked) <= LIST_STATEMENTS, "\n".join(asked)


def test_a_poll_asks_nothing_until_something_moves(
    signed_in: Callable[[str], Client], cast: Cast, square: Place
) -> None:
    client = signed_in("marta")
    page = client.get(INBOX).content.decode()
    found = re.search(r'data-stamp="([^"]+)"', page)
    assert found
    poll = f"/live/?stamp={found[1]}"
    assert statements(client, poll, status=204) == []
    square.hears("1", "Is Nivalta there?")
    assert statements(client, poll, status=200) != []
