"""What every test may ask for. The servers are real and private (tests/services.py), the people in tests/cast.py."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import Client
from playwright.sync_api import Browser, sync_playwright

from tests.cast import Cast, make_cast

QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
"""A browser that speaks with the tests' own servers and nobody else."""


@pytest.fixture(scope="session", autouse=True)
def _audit_can_be_emptied_between_tests() -> Iterator[None]:
    """The audit trail refuses TRUNCATE from everybody; its owner empties it between tests by lifting the trigger,
    which is what docs/security.md says an owner can do."""
    truncate = DatabaseOperations.execute_sql_flush

    def flush(self: Any, statements: list[str]) -> None:
        lift, set_back = (
            f"ALTER TABLE accounts_auditentry {word} TRIGGER audit_stays_whole" for word in ("DISABLE", "ENABLE")
        )
        head = "INSERT INTO accounts_audithead (id, seq, print) VALUES (1, 0, '')"
        for last in (False, False, True):
            try:
                return truncate(self, [lift, *statements, set_back, head])
            except OperationalError:  # a deadlock with a page that is just closing, and saves its draft
                if last:
                    raise
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", flush)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, one for the whole run."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no Chromium on this machine")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django would take for an asynchronous caller.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """The people and brands of the tests, in a database with real commits."""
    return make_cast()


@pytest.fixture
def signed_in(cast: Cast) -> Callable[[str], Client]:
    """A browserless client, signed in as somebody of the cast."""

    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(cast.people[name].login, backend="accounts.signing_in.Backend")
        return client

    return sign_in


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Any]:
    """La Piazzetta on a free port, which fetching may reach."""
    from demo.sandbox import server

    running = server.start()
    settings.ALLOW_ADDRESSES = [running.url.removeprefix("http://")]
    yield running
    running.stop()


@pytest.fixture
def sql() -> Callable[..., list[tuple[Any, ...]]]:
    """Asks the database directly, as its owner."""

    def ask(statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    return ask
