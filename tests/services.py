"""A pytest plugin (`-p tests.services`): a private PostgreSQL and Redis, up before Django reads its settings.

With DATABASE_URL and REDIS_URL in the environment the tests use those servers instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from config.messages import compile_messages
from config.services import Services

RUNNING = pytest.StashKey[Services]()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """A wrapper runs before pytest-django's own hook, which reads the settings."""
    start(early_config)
    yield


def start(config: pytest.Config) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, with everything cleared away
    compile_messages()
    data = Path(tempfile.mkdtemp(prefix="ascolto-test-"))
    data.chmod(0o711)  # root's servers run as another account, which has to pass through
    services = Services(data, fast=True)
    config.add_cleanup(lambda: stop(services))
    services.start()
    config.stash[RUNNING] = services
    os.environ |= {"ASCOLTO_DATA_DIR": str(data), "ASCOLTO_TEST": "1"}
    os.environ.setdefault("ASCOLTO_TIME_SCALE", "0.05")  # the outbox's waits; `make faults` runs them as they are
    os.environ |= services.environment_for("owner")


def stop(services: Services) -> None:
    services.stop()
    # The servers' folder may be a link to one outside (config/servers.py, settle).
    shutil.rmtree((services.data / "servers").resolve(), ignore_errors=True)
    shutil.rmtree(services.data, ignore_errors=True)


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config) -> Services:
    """The servers of this run."""
    return pytestconfig.stash[RUNNING]


@pytest.fixture
def environment_of(services: Services, db: None) -> Callable[[str], dict[str, str]]:
    """Environment for a process of its own kind (owner, web, sender, poller) that works on the test database."""
    from django.db import connection

    from accounts.roles import install

    install(passwords=services.passwords)  # so far the test database's logins have none
    return lambda process: services.environment_for(process, database=connection.settings_dict["NAME"])
