"""Pages as people have them: a real web process on the tests' database, and a Chromium that is watched.

Every page is guarded: nothing in the console, no error of a script, no violation of the content security policy, no
request to anybody but our own server. A test names the refusals (409, 422, ...) that it provokes.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.conf import settings as product
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from accounts import roles
from accounts.models import Brand
from config.services import Services
from conversations.models import Thread
from listening.connectors.contract import Author, Item
from listening.models import Account, Source
from tests.cast import Cast, account_of, hear, source_of

ROOT = Path(__file__).resolve().parents[2]
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
UNDO_SECONDS = 5
PATIENCE = 15_000
"""Milliseconds to wait for something that comes by itself, on a busy machine too."""
expect.set_options(timeout=PATIENCE)
TELL_VIOLATIONS = """
  addEventListener('securitypolicyviolation', (event) =>
    console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
FOUND = """(results) => results.violations.map((one) =>
  `${one.id}: ${one.help} (${one.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ')})`)"""


# ── the processes ───────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its children in a group of its own, which ends with the block."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


@pytest.fixture(scope="session")
def environment_for(
    services: Services, django_db_setup: None, django_db_blocker: Any
) -> Callable[[str], dict[str, str]]:
    """Environment of a process of its kind (web, sender, poller) that works on the tests' database."""
    with django_db_blocker.unblock():
        roles.install(passwords=services.passwords)
        database = connection.settings_dict["NAME"]
    told = {"ASCOLTO_UNDO_SECONDS": str(UNDO_SECONDS)}
    return lambda kind: services.environment_for(kind, database=database) | told


@pytest.fixture(scope="session")
def web(environment_for: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web process, one for the whole run; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["gunicorn", "config.wsgi:application", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    command += ["--workers", "1", "--worker-class", "gthread", "--threads", "4"]
    log = tmp_path_factory.mktemp("web") / "web.log"
    url = f"http://127.0.0.1:{port}"
    with process(command, environment_for("web"), log) as running:
        end = time.monotonic() + 60
        while not answers(f"{url}/healthz"):
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield url


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


@pytest.fixture
def workers(
    environment_for: Callable[[str], dict[str, str]], sandbox: Any, cast: Cast, tmp_path: Path
) -> Iterator[None]:
    """The product's poller (with the clock inside) and sender, who may reach the sandbox."""
    reach = {"ASCOLTO_ALLOW_ADDRESSES": sandbox.url.removeprefix("http://")}
    worker = ["celery", "-A", "config.celery", "worker", "-l", "WARNING", "--without-gossip", "--without-mingle", "-c1"]
    poller = [*worker, "-n", "poller@%h", "-Q", "poll,background", "-B", "-s", str(tmp_path / "beat")]
    sender = [*worker, "-n", "sender@%h", "-Q", "send"]
    with (
        process(poller, environment_for("poller") | reach, tmp_path / "poller.log"),
        process(sender, environment_for("sender") | reach, tmp_path / "sender.log"),
    ):
        yield


# ── the people in front of it ───────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Guard:
    """What went wrong on any page of a test. `expected`: the statuses of refusals that the test provokes."""

    origin: str
    expected: set[int] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.troubles.append(f"error in a script: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        status = re.search(r"Failed to load resource.*status of (\d+)", message.text)
        if not (status and int(status[1]) in self.expected) and "net::ERR_" not in message.text:
            self.troubles.append(f"{message.text} ({message.location.get('url')})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self.troubles.append(f"asked somebody else: {request.url}")


@pytest.fixture
def guard(web: str) -> Guard:
    return Guard(web)


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, web: str, cast: Cast, guard: Guard) -> Iterator[Visit]:
    """Opens a page as somebody of the cast, or as a stranger (""): `visit("marta", "/b/nivalta/inbox/triage/")`."""
    contexts: list[BrowserContext] = []

    def opened(name: str, path: str = "/", *, width: int = 1440, language: str = "en", **how: Any) -> Page:
        height = 844 if width < 760 else 900
        context = browser.new_context(
            base_url=web,
            viewport={"width": width, "height": height},
            locale=language,
            timezone_id="Europe/Rome",
            **how,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(TELL_VIOLATIONS)
        if name:
            client = Client()
            client.force_login(cast.people[name].login, backend="accounts.signing_in.Backend")
            key = client.cookies[product.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": product.SESSION_COOKIE_NAME, "value": key, "url": web}])
        page = context.new_page()
        guard.watch(page)
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    settle()
    assert guard.troubles == []


def settle() -> None:
    """Waits until no process is in a transaction: the database is emptied next."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    end = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others} AND state <> 'idle'")
            if cursor.fetchone() == (0,):
                return
            time.sleep(0.02)


TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def axe() -> Callable[..., list[str]]:
    """What axe finds on a page as it stands, or in a `part` of it (a selector), in words that name where; in the dark,
    what depends on colours."""

    def look(page: Page, where: str, part: str = "html") -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text())
        found = []
        for scheme, rules in (("light", {"type": "tag", "values": TAGS}), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            run = "([part, rules]) => axe.run(document.querySelector(part), {runOnly: rules})"
            found += [f"{where} ({scheme}): {one}" for one in page.evaluate(FOUND, page.evaluate(run, [part, rules]))]
        return found

    return look


# ── what there is to read ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Place:
    """A place where people speak of a brand, and where the brand may answer if `account` is set."""

    brand: Brand
    source: Source
    account: Account | None = None

    def hears(self, key: str, text: str, author: str = "passolento", **given: Any) -> Thread:
        """Somebody says something new; it becomes (or joins) a thread."""
        address = self.source.base_url or "https://blog.example"
        who = Author(name=author.capitalize(), handle=f"@{author}@social.example", remote_id=f"{address}/@{author}")
        values: dict[str, Any] = {
            "author": who,
            "published_at": timezone.now(),
            "url": f"{address}/{key}",
            "conversation_key": key,
            "remote": {"id": key, "instance": address, "mentions": []},
        }
        hear(self.source, Item(external_id=f"{address}/{key}", text=text, **(values | given)))
        return Thread.objects.get(brand=self.brand, root_key=(values | given)["conversation_key"])


@pytest.fixture
def square(cast: Cast) -> Place:
    """A Mastodon server that answers nobody here: no worker runs, so nothing leaves."""
    account = account_of(cast.nivalta, "https://social.example", "token")
    source = source_of(
        cast.nivalta, "mastodon", name="Mentions", base_url=account.base_url, account=account, own_place=True
    )
    return Place(cast.nivalta, source, account)


@pytest.fixture
def blog(cast: Cast) -> Place:
    """A place that takes no reply from here."""
    return Place(cast.nivalta, source_of(cast.nivalta, name="Sentieri d’Appennino"))
