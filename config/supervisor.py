"""`make demo`: everything of Ascolto on one machine, under one process. When it ends, all of it ends.

Starts the servers (config/services.py), prepares the database, loads the demo data into an empty one, then keeps
running: web, a worker for polls, a worker for sending, beat and the sandbox network. A part that dies is started again.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from config import environment, notes
from config.servers import ServiceError, end_with_parent
from config.services import Ended, Services, end_on_signals

HOST = "127.0.0.1"
LOOK_SECONDS = 0.25
READY_SECONDS = 120.0
STOP_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 30.0
# A part that ran this long before it died is started again at once.
STEADY_SECONDS = 60.0
DEMO_PASSWORD = "ascolto-demo"
DEMO_LOGINS = ("manager@demo.example", "community@demo.example", "consultant@demo.example")


@dataclass
class Part:
    """A process that is kept running, in a process group of its own, with its log in the data folder."""

    name: str
    command: list[str]
    environment: dict[str, str]
    data: Path
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started: float = 0.0
    next_start: float = field(default=0.0)

    def start(self) -> None:
        with notes.log(self.data, self.name) as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.command],
                cwd=environment.ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=partial(end_with_parent, signal.SIGTERM, os.getpid()),
            )
        self.started = time.monotonic()

    def mend(self) -> None:
        """Notices a death, and starts the part again after a pause that doubles: 1, 2, 4, ... 30 seconds."""
        now = time.monotonic()
        if self.process and self.process.poll() is not None:
            self.kill()  # its own children, if it left any
            self.deaths = 1 if now - self.started > STEADY_SECONDS else self.deaths + 1
            pause = min(2.0 ** (self.deaths - 1), LONGEST_PAUSE_SECONDS)
            say(f"{self.name} ended (code {self.process.returncode}); again in {pause:.0f} s. See logs/{self.name}.log")
            self.process, self.next_start = None, now + pause
        if not self.process and now >= self.next_start:
            self.start()

    def ask_to_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def stopped(self) -> bool:
        return not self.process or self.process.poll() is not None

    def kill(self) -> None:
        """Ends what is left of the process group."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def say(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:  # nobody reads us any more (`make demo | head`): no reason to end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    end_on_signals()
    try:
        supervise(environment.data_dir(), port())
    except Ended:
        say("Stopped.")
    except ServiceError as error:
        sys.exit(str(error))


def port() -> int:
    """PORT of the environment, 8000 by default; a ServiceError when it is no port or taken."""
    given = os.environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise ServiceError(f"PORT is {given!r}: give a number from 1 to 65535.")
    if not is_free(int(given)):
        raise ServiceError(f"Port {given} is taken: stop what listens there, or choose another: PORT=8001 make demo")
    return int(given)


def is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
    return True


def supervise(data: Path, port: int) -> None:
    """Starts everything and keeps it running until Ended is raised."""
    say("Starting PostgreSQL and Valkey ...")
    with Services(data) as services:
        lock = notes.hold(data / "supervisor.lock")
        if not lock:
            raise ServiceError(f"Ascolto already runs on {data}: stop it, or choose another ASCOLTO_DATA_DIR.")
        parts: list[Part] = []
        try:
            keep(services, parts, port)
        finally:
            stop(parts)


def keep(services: Services, parts: list[Part], port: int) -> None:
    sandbox = sandbox_port(services.data)
    told = {
        "ASCOLTO_DEMO": "1",
        "ASCOLTO_URL": f"http://{HOST}:{port}/",
        "ASCOLTO_ALLOW_ADDRESSES": " ".join([*environment.words("ASCOLTO_ALLOW_ADDRESSES"), f"{HOST}:{sandbox}"]),
        "SANDBOX_PORT": str(sandbox),
    }
    owner = services.environment_for("owner") | told
    network = Part("sandbox", ["demo.sandbox"], stranger(owner), services.data)
    parts.append(network)
    network.start()
    say("Preparing the database ...")
    step(owner, services.data, "prepare", "config.prepare")
    say("Loading the demo data, if the database is empty ...")
    step(owner, services.data, "demo", "manage", "demo")
    for part in product(services, told, port):
        parts.append(part)
        part.start()
    wait_until_ready(services, parts, port)
    welcome(port, sandbox)
    while True:
        time.sleep(LOOK_SECONDS)
        mend(services, parts)


def product(services: Services, told: dict[str, str], port: int) -> list[Part]:
    """The processes of the product, each with the login of its kind."""
    web, poller, sender = (services.environment_for(kind) | told for kind in ("web", "poller", "sender"))
    celery = ["celery", "-A", "config.celery"]
    worker = [*celery, "worker", "-l", "WARNING", "--without-gossip", "--without-mingle", "-c", "2"]
    gunicorn = ["gunicorn", "config.wsgi:application", "--bind", f"{HOST}:{port}", "--no-control-socket", "--preload"]
    gunicorn += ["--workers", "2", "--worker-class", "gthread", "--threads", "4", "--graceful-timeout", "3"]
    beat = [*celery, "beat", "-l", "WARNING", "-s", str(services.data / "beat"), "--pidfile="]
    return [
        Part("web", gunicorn, web, services.data),
        Part("poller", [*worker, "-n", "poller@%h", "-Q", "poll,background"], poller, services.data),
        Part("sender", [*worker, "-n", "sender@%h", "-Q", "send"], sender, services.data),
        Part("beat", beat, poller, services.data),
    ]


def stranger(told: dict[str, str]) -> dict[str, str]:
    """The sandbox plays a network of somebody else's: it gets no login and no key of ours."""
    ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    return {
        name: value for name, value in told.items() if name not in ours and not name.endswith(("_PASSWORD", "_KEYS"))
    }


def sandbox_port(data: Path) -> int:
    """The port of the sandbox network: the same at each start, since the demo's accounts name it."""
    path = data / "sandbox.json"
    known = notes.read(path).get("port")
    if known and is_free(known):
        return int(known)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number = int(probe.getsockname()[1])
    notes.write_privately(path, {"port": number})
    return number


def step(told: dict[str, str], data: Path, name: str, *command: str) -> None:
    """Runs one step to its end. Raises ServiceError with the last line it printed when it fails."""
    with notes.log(data, name) as output:
        start = output.tell()
        code = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=environment.ROOT,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ).returncode
    if code:
        said = Path(output.name).read_bytes()[start:].decode(errors="replace").strip().splitlines()
        raise ServiceError(
            f"The step '{name}' failed: {said[-1] if said else f'code {code}'} (all of it: {output.name})"
        )


def wait_until_ready(services: Services, parts: list[Part], port: int) -> None:
    """Waits for 200 from /readyz. Raises ServiceError when a part keeps dying or after two minutes."""
    end = time.monotonic() + READY_SECONDS
    while (answer := ask(port)) != http.client.OK:
        mend(services, parts)
        failing = [part.name for part in parts if part.deaths >= 3]
        if failing:
            raise ServiceError(f"{failing[0]} does not start: see the end of {services.data}/logs/{failing[0]}.log")
        if time.monotonic() > end:
            raise ServiceError(
                f"Ascolto does not get ready: http://{HOST}:{port}/readyz answers {answer or 'nothing'}."
            )
        time.sleep(LOOK_SECONDS)


def ask(port: int) -> int | None:
    """The status of /readyz, None when nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def mend(services: Services, parts: list[Part]) -> None:
    for name in services.mend():
        say(f"{name} had died and was started again.")
    for part in parts:
        part.mend()


def stop(parts: list[Part]) -> None:
    """Asks all parts to end, and ends by force what still runs after five seconds."""
    for part in parts:
        part.ask_to_stop()
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end and not all(part.stopped() for part in parts):
        time.sleep(0.05)
    for part in parts:
        part.kill()


def welcome(port: int, sandbox: int) -> None:
    say(f"\nAscolto is ready: http://{HOST}:{port}\n")
    for login in DEMO_LOGINS:
        say(f"  {login:<26} password {DEMO_PASSWORD}")
    say(f"\nThe sandbox network, where you play a customer: http://{HOST}:{sandbox}")
    say("Ctrl-C stops everything; the data stay.\n")


if __name__ == "__main__":
    main()
