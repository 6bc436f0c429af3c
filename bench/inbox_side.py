"""Asks for the inbox page in process, as a signed-in colleague, when told on standard input which page."""

from __future__ import annotations

import os
import re
import statistics
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Login

REQUESTS = 20
DEEP = 40
"""Pages to turn before the deep one is measured."""


def main() -> None:
    client = Client()
    client.force_login(Login.objects.get(), backend="accounts.signing_in.Backend")
    pages = {"first": "/b/bench/inbox/triage/"}
    pages["deep"] = turned(client, pages["first"])
    print("ready", flush=True)
    for line in sys.stdin:
        url = pages[line.strip()]
        times = [timed(client, url) for _ in range(REQUESTS)]
        with CaptureQueriesContext(connection) as statements:
            shown = client.get(url).content.decode()
        own = [s for s in statements.captured_queries if s["sql"] not in ("BEGIN", "COMMIT")]
        total = re.search(r'class="total num">(\d+)<', shown)
        print(statistics.median(times) * 1000, len(own), total[1] if total else -1, flush=True)


def timed(client: Client, url: str) -> float:
    began = time.perf_counter()
    assert client.get(url).status_code == 200
    return time.perf_counter() - began


def turned(client: Client, url: str) -> str:
    """The address of a page deep in the queue, reached as a reader reaches it."""
    place = url
    for _ in range(DEEP):
        more = re.search(r'href="(\?after=[^"]+)"', client.get(place).content.decode())
        if more is None:
            break
        place = url + more[1].replace("&amp;", "&")
    return place


if __name__ == "__main__":
    main()
