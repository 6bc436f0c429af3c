"""PostgreSQL and Redis for this installation: private ones that we run, or those named in the environment.

`with Services() as services:` starts what is needed and stops it at the end. On the command line:
`python -m config.services start|run|stop|status` (`start` leaves them running, `run` stays in the foreground).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any, Self
from urllib.parse import quote, urlsplit

from config import environment, notes
from config.servers import START_SECONDS, STOP_SECONDS, Postgres, Server, ServiceError, Valkey, settle

NOTE = "services.json"
CHECK_SECONDS = 1.0
# What a child may know of our environment; secrets are given one by one.
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "XDG_CACHE_HOME", "PLAYWRIGHT_BROWSERS_PATH")
SECRET_ENDINGS = ("_PASSWORD", "_KEYS")


def database_urls(owner: str, passwords: dict[str, str]) -> dict[str, str]:
    """The address of the database for each login, from the owner's: `<database>_web`, `<database>_sender`, ..."""
    parts = urlsplit(owner)
    server = parts.netloc.rpartition("@")[2]
    database = parts.path.lstrip("/")
    others = {
        login: parts._replace(netloc=f"{database}_{login}:{quote(passwords[login], safe='')}@{server}").geturl()
        for login in passwords
    }
    return {"owner": owner, **others}


def _harmless(name: str) -> bool:
    return name in PASSED_ON or (name.startswith(("ASCOLTO_", "LC_")) and not name.endswith(SECRET_ENDINGS))


def make_data_folder(data: Path) -> None:
    """Makes the data folder when there is none; raises ServiceError when it can't be used."""
    if not data.exists():
        data.mkdir(parents=True)
        # Root's servers run as another account, which has to pass through; what is in here is private by itself.
        data.chmod(0o700 if os.geteuid() else 0o711)
    if not os.access(data, os.W_OK | os.X_OK):
        raise ServiceError(f"{data} can't be written: use its owner's account or another ASCOLTO_DATA_DIR.")


class Services:
    """The servers of one data folder. The process that starts them keeps them; another one that starts them too is
    a guest: it gets the same addresses and stops nothing."""

    def __init__(self, data: Path | None = None, fast: bool = False) -> None:
        """`fast` gives up durability: for tests only."""
        self.data = (data or environment.data_dir()).absolute()
        self.fast = fast
        self.urls: dict[str, Any] = {}
        self.secrets: dict[str, str] = {}
        self.servers: list[Server] = []
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Starts the servers and waits until they answer. Raises ServiceError in words."""
        make_data_folder(self.data)
        self._lock = notes.hold(self.data / "services.lock")
        if not self._lock:
            self.urls = self._urls_of_host()
            self.secrets = notes.secrets_of(self.data)
            return
        try:
            self._start_own()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops the servers that this object started; the data stay."""
        if not self._lock:
            return
        (self.data / NOTE).unlink(missing_ok=True)
        for server in self.servers:
            server.ask_to_stop()
        for server in self.servers:
            server.stop()
        for server in self.servers:
            server.place.clear()
        self.servers = []
        self._lock.close()
        self._lock = None

    def mend(self) -> list[str]:
        """Starts servers that died again; returns their names. Raises ServiceError when one does not come back."""
        dead = [server for server in self.servers if not server.running()]
        for server in dead:
            server.start()
        return [server.name for server in dead]

    def environment_for(self, process: str, database: str | None = None) -> dict[str, str]:
        """All that a child of this kind (owner, web, sender, poller) is told: its own login, and keys where it needs
        them. `database` names another one on the same server, such as the tests'."""
        urls = self.urls["database"]
        if database:
            owner = urlsplit(urls["owner"])._replace(path=f"/{database}").geturl()
            urls = database_urls(owner, self.passwords)
        told = {name: value for name, value in os.environ.items() if _harmless(name)}
        told |= {"ASCOLTO_PROCESS": process, "ASCOLTO_DATA_DIR": str(self.data)}
        told |= {"DATABASE_URL": urls[process], "REDIS_URL": self.urls["redis"], "PYTHONUNBUFFERED": "1"}
        told["SECRET_KEY"] = os.environ.get("SECRET_KEY") or self.secrets["secret_key"]
        if process != "web":
            keys = os.environ.get("ASCOLTO_CREDENTIAL_KEYS") or self.secrets["credential_keys"]
            told["ASCOLTO_CREDENTIAL_KEYS"] = keys
        if process == "owner":
            told |= {f"ASCOLTO_{login.upper()}_PASSWORD": value for login, value in self.passwords.items()}
        return told

    @property
    def passwords(self) -> dict[str, str]:
        """The passwords of the logins: the operator's (ASCOLTO_WEB_PASSWORD, ...), else those made for this folder."""
        logins = [login for login in notes.LOGINS if login != "owner"]
        return {each: os.environ.get(f"ASCOLTO_{each.upper()}_PASSWORD") or self.secrets[each] for each in logins}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_own(self) -> None:
        self._forget_earlier_run()
        if (self.data / "servers/postgres").exists() and not (self.data / "secrets.json").exists():
            raise ServiceError(f"{self.data}/secrets.json is gone, and with it the database's passwords: put it back.")
        self.secrets = notes.secrets_of(self.data)
        owner, redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
        broker = redis
        if not (owner and redis):
            place = settle(self.data)
        if not owner:
            postgres = Postgres(place, self.data, self.secrets, self.fast)
            self.servers.append(postgres)
            postgres.start()
            postgres.provide()
            owner = postgres.url()
        if not redis:
            valkey = Valkey(place, self.data, self.secrets, self.fast)
            self.servers.append(valkey)
            valkey.start()
            redis, broker = valkey.url("unix"), valkey.url("redis+socket")
        database = database_urls(owner, self.passwords)
        self.urls = {"database": database, "redis": redis, "broker": broker}
        sockets = str(self.servers[0].place.sockets) if self.servers else None
        notes.write_privately(self.data / NOTE, {"pid": os.getpid(), "sockets": sockets, **self.urls})

    def _forget_earlier_run(self) -> None:
        """A run that was killed could not remove its note, nor its folder of sockets outside the data folder."""
        sockets = notes.read(self.data / NOTE).get("sockets")
        (self.data / NOTE).unlink(missing_ok=True)
        if sockets:
            shutil.rmtree(sockets, ignore_errors=True)

    def _urls_of_host(self) -> dict[str, Any]:
        """The addresses that the process which keeps the servers noted, as soon as it has."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            note = notes.read(self.data / NOTE)
            if note:
                return {name: note[name] for name in ("database", "redis", "broker")}
            time.sleep(0.1)
        raise ServiceError(f"Another process holds {self.data} but its servers do not start.")


def held(data: Path) -> bool:
    """Whether a process keeps the servers of this folder, or is starting or stopping them."""
    if not data.exists():
        return False
    lock = notes.hold(data / "services.lock")
    if lock:
        lock.close()
    return lock is None


def keeper(data: Path) -> int | None:
    """The pid of the process that keeps the servers of this folder, None when they don't run."""
    pid = notes.read(data / NOTE).get("pid") if held(data) else None
    return int(pid) if pid else None


class Ended(BaseException):
    """Somebody asked this process to end (SIGTERM, SIGINT, SIGHUP)."""


def end_on_signals() -> None:
    """From now on a signal to end raises Ended once; later ones are ignored, so that stopping is not cut short."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def end(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise Ended

    for each in signals:
        signal.signal(each, end)


def run() -> None:
    end_on_signals()
    with contextlib.suppress(Ended), Services() as services:
        while True:
            time.sleep(CHECK_SECONDS)
            for name in services.mend():
                print(f"{name} had died and was started again.", flush=True)


def start(data: Path) -> None:
    """Leaves a process behind that keeps the servers. Raises ServiceError when it ends instead."""
    if keeper(data) is None:
        make_data_folder(data)
        with notes.log(data, "services") as output:
            command = [sys.executable, "-m", "config.services", "run"]
            child = subprocess.Popen(
                command,
                cwd=environment.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while keeper(data) != child.pid:
            if child.poll() is not None:
                raise ServiceError(f"The servers do not start; the reason is at the end of {output.name}.")
            time.sleep(0.05)
    status(data)


def stop(data: Path) -> None:
    """Ends the process that keeps the servers and waits until they are gone."""
    pid = keeper(data)
    if pid is None:
        print("Nothing runs.")
        return
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 2 * STOP_SECONDS
    while held(data):
        if time.monotonic() > end:
            raise ServiceError(f"Process {pid} does not stop.")
        time.sleep(0.05)
    print("Stopped.")


def status(data: Path) -> None:
    pid = keeper(data)
    if pid is None:
        print("Nothing runs.")
        raise SystemExit(3)
    note = notes.read(data / NOTE)
    print(f"PostgreSQL and Valkey run, kept by process {pid}; their sockets are in {note['sockets']}.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config.services", description=__doc__)
    parser.add_argument("verb", choices=("start", "run", "stop", "status"))
    verb = parser.parse_args().verb
    data = environment.data_dir()
    try:
        run() if verb == "run" else {"start": start, "stop": stop, "status": status}[verb](data)
    except ServiceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
