"""`make demo` as a process: one sentence when it can't start, restarts, and an end that leaves nothing."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from config import environment
from config.supervisor import HOST, Part, sandbox_port, stranger

PATIENCE_SECONDS = 30.0


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def supervisor(data: Path, port: int | str) -> subprocess.Popen[str]:
    told = {"PATH": os.environ["PATH"], "ASCOLTO_DATA_DIR": str(data), "PORT": str(port)}
    command = [sys.executable, "-m", "config.supervisor"]
    return subprocess.Popen(
        command, cwd=environment.ROOT, env=told, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def processes_that_name(data: Path) -> list[str]:
    """The environment of each process tells which data folder it belongs to."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ASCOLTO_DATA_DIR={data}".encode() in path.read_bytes().split(b"\0"):
                found.append((path.parent / "cmdline").read_text().replace("\0", " "))
        except (OSError, UnicodeDecodeError):
            continue
    return found


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        process = supervisor(tmp_path, other.getsockname()[1])
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "is taken: stop what listens there" in said
    assert said.count("\n") == 1


def test_a_port_that_is_none_is_one_clear_sentence(tmp_path: Path) -> None:
    process = supervisor(tmp_path, "eighty")
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert said == "PORT is 'eighty': give a number from 1 to 65535.\n"


def test_the_sandbox_keeps_its_port(tmp_path: Path) -> None:
    first = sandbox_port(tmp_path)
    assert sandbox_port(tmp_path) == first
    with socket.socket() as other:
        other.bind((HOST, first))
        assert sandbox_port(tmp_path) != first


def test_the_sandbox_gets_nothing_secret() -> None:
    told = {"DATABASE_URL": "a", "ASCOLTO_WEB_PASSWORD": "b", "ASCOLTO_CREDENTIAL_KEYS": "c", "SANDBOX_PORT": "1"}
    assert stranger(told) == {"SANDBOX_PORT": "1"}


def test_a_part_that_dies_comes_back_with_its_children_cleared(tmp_path: Path) -> None:
    part = Part("http", ["http.server", "--bind", HOST, str(free_port())], dict(os.environ), tmp_path)
    part.start()
    assert part.process
    first = part.process.pid
    os.kill(first, signal.SIGKILL)
    part.process.wait()
    part.mend()
    assert part.process is None
    wait_for(lambda: part.mend() is None and part.process is not None)
    assert part.process.pid != first
    part.ask_to_stop()
    wait_for(part.stopped)


def test_the_whole_demo_gets_ready_and_ends_without_a_trace(data: Path) -> None:
    port = free_port()
    process = supervisor(data, port)
    assert process.stdout
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C"):
                break
        assert f"Ascolto is ready: http://{HOST}:{port}\n" in said, "".join(said)
        assert status(port, "/healthz") == status(port, "/readyz") == 200
        assert len(processes_that_name(data)) >= 6
    finally:
        process.send_signal(signal.SIGTERM)
        said.extend(process.stdout)
        process.stdout.close()
        code = process.wait(PATIENCE_SECONDS)
    assert code == 0
    assert not processes_that_name(data)


def status(port: int, path: str) -> int:
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status
