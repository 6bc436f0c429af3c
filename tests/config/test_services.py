"""The private servers: they start, they are found again, and they leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from config import environment, notes
from config.servers import LONGEST_SOCKET_PATH, ServiceError, works_in
from config.services import Services, database_urls, keeper

PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def _without_the_servers_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", *(f"ASCOLTO_{each}_PASSWORD" for each in ("WEB", "SENDER", "POLLER"))):
        monkeypatch.delenv(name, raising=False)


def answer(services: Services, statement: str) -> Any:
    """The first value that the owner gets, None for a statement that returns none."""
    address = services.urls["database"]["owner"]
    with contextlib.closing(psycopg2.connect(address)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def cache(services: Services) -> redis.Redis:
    return redis.Redis.from_url(services.urls["redis"], decode_responses=True)


def running_in(data: Path) -> list[int]:
    """The processes that work in one of the servers' folders."""
    home = (data / "servers").resolve()
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in pids if any(works_in(pid, home / name) for name in ("postgres", "valkey"))]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def keep_in_another_process(data: Path) -> subprocess.Popen[bytes]:
    told = {"PATH": os.environ["PATH"], "ASCOLTO_DATA_DIR": str(data)}
    process = subprocess.Popen([sys.executable, "-m", "config.services", "run"], cwd=environment.ROOT, env=told)
    wait_for(lambda: keeper(data) == process.pid)
    return process


def test_both_answer_and_a_stop_leaves_only_the_data(data: Path) -> None:
    with Services(data, fast=True) as services:
        assert answer(services, "SELECT current_user") == "ascolto_owner"
        assert cache(services).ping()
        assert running_in(data)
    assert not running_in(data)
    assert not (data / "services.json").exists()
    assert {path.name for path in (data / "servers").iterdir()} == {"postgres", "valkey"}


def test_the_data_are_there_after_another_start(data: Path) -> None:
    with Services(data) as services:
        answer(services, "CREATE TABLE kept AS SELECT 7 AS figure")
        cache(services).set("kept", "8")
    with Services(data) as services:
        assert answer(services, "SELECT figure FROM kept") == 7
        assert cache(services).get("kept") == "8"


def test_no_port_is_opened_and_everyone_needs_a_password(data: Path) -> None:
    with Services(data, fast=True) as services:
        assert answer(services, "SHOW listen_addresses") == ""
        assert cache(services).config_get("port") == {"port": "0"}
        assert cache(services).config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        wrong = services.urls["database"]["owner"].replace(services.secrets["owner"], "wrong")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(wrong)
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(services.urls["redis"].replace(services.secrets["redis"], "wrong")).ping()


def test_the_owner_is_no_superuser_and_has_the_extensions(data: Path) -> None:
    with Services(data, fast=True) as services:
        assert answer(services, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        names = answer(services, "SELECT array_agg(extname::text) FROM pg_extension")
        assert {"pg_trgm", "unaccent", "btree_gin", "citext"} <= set(names)
        assert answer(services, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"


def test_what_is_secret_can_be_read_by_this_account_only(data: Path) -> None:
    with Services(data, fast=True):
        for name in ("secrets.json", "services.json"):
            assert (data / name).stat().st_mode & 0o777 == 0o600


def test_who_starts_them_again_is_a_guest(data: Path) -> None:
    with Services(data, fast=True) as host:
        with Services(data, fast=True) as guest:
            assert guest.urls == host.urls
        assert answer(host, "SELECT 1") == 1


def test_a_server_that_dies_is_started_again(data: Path) -> None:
    with Services(data) as services:
        for server in services.servers:
            assert server.process
            server.process.kill()
            server.process.wait()
        assert services.mend() == ["postgres", "valkey"]
        assert answer(services, "SELECT 1") == 1
        assert cache(services).ping()


def test_a_killed_keeper_leaves_no_server_and_the_next_start_works(data: Path) -> None:
    process = keep_in_another_process(data)
    assert running_in(data)
    process.kill()
    process.wait()
    wait_for(lambda: not running_in(data))
    with Services(data) as services:
        assert answer(services, "SELECT 1") == 1


def test_a_keeper_that_is_asked_to_end_ends_well(data: Path) -> None:
    process = keep_in_another_process(data)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not running_in(data)


def test_start_and_stop_by_command_line(data: Path) -> None:
    told = {"PATH": os.environ["PATH"], "ASCOLTO_DATA_DIR": str(data)}

    def run(verb: str) -> int:
        command = [sys.executable, "-m", "config.services", verb]
        return subprocess.run(command, cwd=environment.ROOT, env=told, stdout=subprocess.DEVNULL).returncode

    assert run("status") == 3
    assert run("start") == 0
    assert run("start") == 0
    assert run("status") == 0
    assert run("stop") == 0
    assert run("status") == 3
    assert not running_in(data)


def test_a_stale_pid_file_with_the_number_of_somebody_else_is_no_hindrance(data: Path) -> None:
    with Services(data):
        pass
    (data / "servers/postgres/postmaster.pid").write_text(f"{os.getpid()}\n")
    with Services(data) as services:
        assert answer(services, "SELECT 1") == 1


def test_a_path_too_long_for_sockets(data: Path) -> None:
    deep = data.with_name("d" * LONGEST_SOCKET_PATH)
    with Services(deep, fast=True) as services:
        sockets = Path(notes.read(deep / "services.json")["sockets"])
        assert not sockets.is_relative_to(deep)
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert answer(services, "SELECT 1") == 1
    assert not sockets.exists()


def test_servers_of_the_environment_are_used_instead(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Services(data, fast=True) as real:
        monkeypatch.setenv("DATABASE_URL", real.urls["database"]["owner"])
        monkeypatch.setenv("REDIS_URL", real.urls["redis"])
        with Services(data.with_name("other")) as services:
            assert services.servers == []
            assert services.urls["redis"] == real.urls["redis"]
            assert services.urls["database"]["owner"] == real.urls["database"]["owner"]


def test_logins_carry_the_name_of_the_database() -> None:
    urls = database_urls("postgresql://me:own@db.example:5433/talk?sslmode=require", {"web": "a/b"})
    assert urls["web"] == "postgresql://talk_web:a%2Fb@db.example:5433/talk?sslmode=require"


def test_each_process_is_told_its_own_login_only(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCOLTO_CREDENTIAL_KEYS", "the key")
    with Services(data, fast=True) as services:
        web = services.environment_for("web")
        others = [services.secrets[name] for name in ("owner", "sender", "poller", "superuser")]
        assert not [value for value in web.values() if any(secret in value for secret in [*others, "the key"])]
        assert services.environment_for("sender")["ASCOLTO_CREDENTIAL_KEYS"] == "the key"
        assert services.environment_for("poller", database="tests")["DATABASE_URL"].startswith(
            "postgresql://tests_poller:"
        )


def test_lost_passwords_are_said(data: Path) -> None:
    with Services(data, fast=True):
        pass
    (data / "secrets.json").unlink()
    with pytest.raises(ServiceError, match=r"secrets\.json is gone"):
        Services(data).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_below_a_closed_folder_root_puts_the_database_elsewhere(data: Path) -> None:
    closed = data.parent / "closed"
    closed.mkdir(mode=0o700)
    with Services(closed / "data", fast=True) as services:
        home = (closed / "data/servers").resolve()
        try:
            assert answer(services, "SELECT 1") == 1
            assert home.parent == Path("/var/lib")
            assert home.stat().st_uid != 0
            assert closed.stat().st_mode & 0o777 == 0o700
        finally:
            services.stop()
            shutil.rmtree(home)
