"""What the benchmarks share: real servers of their own, an installation to measure, processes and their CPU time."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from config.environment import ROOT
from config.services import Services

TICKS = os.sysconf("SC_CLK_TCK")


class LessWork(Exception):
    """A side did less than it should have: its time means nothing."""


@contextlib.contextmanager
def installation() -> Iterator[Services]:
    """PostgreSQL and Valkey with default durability and an empty, migrated database; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ascolto-bench-", ignore_cleanup_errors=True) as folder:
        data = Path(folder)
        data.chmod(0o711)
        with Services(data) as services:
            manage(services, "migrate", "-v", "0")
            manage(services, "roles")
            yield services


def manage(services: Services, *command: str, **more: str) -> None:
    environment = services.environment_for("owner") | {"ASCOLTO_TEST": "1"} | more
    subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)


def start(environment: dict[str, str], *module: str) -> subprocess.Popen[str]:
    """A process of its own group, quiet but for its standard output."""
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


def cpu_seconds(group: int) -> float:
    """User and system time so far of every process of a group, the dead children of each included."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += sum(map(int, fields[11:15]))
    return total / TICKS


def wait_for(ready: object, seconds: float = 60.0) -> None:
    """Waits until `ready()` is true. Raises LessWork when it never is."""
    end = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        if time.monotonic() > end:
            raise LessWork("It did not get done in time.")
        time.sleep(0.05)


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios pair by pair: it holds when the machine's speed drifts."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
