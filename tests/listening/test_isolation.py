"""A parser may crash, loop or eat memory: its child dies, the job gets words, the next job works."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from listening import isolation
from listening.connectors.contract import Broken
from listening.isolation import isolated

# Functions of the standard library that are reached through a module of ours, and do what a bad parser would do.
ECHO = "listening.connectors.feed.parsing:read"
FEED = b'<rss version="2.0"><channel><item><title>one</title></item></channel></rss>'


@pytest.fixture(autouse=True)
def fresh_children() -> Iterator[None]:
    _end_children()
    yield
    _end_children()


def _end_children() -> None:
    isolation._end()
    isolation._forget()


@pytest.fixture
def bad_parsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that also know parsers which misbehave."""
    (tmp_path / "run.py").write_text(
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(isolation._ROOT)!r})\n"
        "import listening.connectors.feed.parsing as ours\n"
        "ours.crash = lambda data, options: os.abort()\n"
        "ours.eat = lambda data, options: len(bytearray(4 * 1024**3))\n"
        "ours.sleep = lambda data, options: time.sleep(60)\n"
        "ours.spin = lambda data, options: [0 for _ in iter(int, 1)]\n"
        "ours.call_out = lambda data, options: __import__('socket').create_connection(('127.0.0.1', options['port']))\n"
        "ours.start = lambda data, options: __import__('subprocess').run(['true'])\n"
        "ours.chatter = lambda data, options: print('noise' * 1000) or len(data)\n"
        "ours.limits = lambda data, options: __import__('resource').getrlimit(__import__('resource').RLIMIT_CPU)[0]\n"
        "ours.pid = lambda data, options: os.getpid()\n"
        "from listening import isolation\n"
        "isolation.CPU_SECONDS = int(os.environ.get('CPU', '60'))\n"
        "isolation._serve()\n"
    )
    monkeypatch.setattr(isolation, "_COMMAND", [sys.executable, str(tmp_path / "run.py")])


def bad(name: str, data: bytes = b"", **options: object) -> object:
    return isolated(f"listening.connectors.feed.parsing:{name}", data, options)


def test_a_parser_answers_and_its_child_is_used_again() -> None:
    assert isolated(ECHO, FEED, {})["items"][0]["title"] == "one"
    assert isolated(ECHO, FEED, {})["items"][0]["title"] == "one"
    assert sum(1 for child in isolation._pool().queue if child) == 1


@pytest.mark.parametrize("name", ["crash", "eat"])
def test_crash_and_memory_end_the_job_only(name: str, bad_parsers: None) -> None:
    with pytest.raises(Broken) as caught:
        bad(name)
    assert caught.value.words
    assert isolated(ECHO, FEED, {})["items"][0]["title"] == "one"


def test_wall_clock(bad_parsers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "WALL_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(Broken):
        bad("sleep")
    assert time.monotonic() - began < 2
    monkeypatch.setattr(isolation, "WALL_SECONDS", 30.0)
    assert isolated(ECHO, FEED, {})["items"]


def test_processor_time(bad_parsers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_ENVIRONMENT", {"CPU": "1"})
    began = time.monotonic()
    with pytest.raises(Broken):
        bad("spin")
    assert time.monotonic() - began < 10


def test_each_job_has_its_own_processor_time(bad_parsers: None) -> None:
    first = bad("limits")
    assert isinstance(first, int)
    assert first >= isolation.CPU_SECONDS


def test_a_parser_reaches_nothing(bad_parsers: None) -> None:
    with pytest.raises(Broken, match=r".") as caught:
        bad("call_out", port=1)
    assert "PermissionError" in caught.value.details
    with pytest.raises(Broken) as caught:
        bad("start")
    assert "PermissionError" in caught.value.details


def test_what_a_parser_prints_is_no_answer(bad_parsers: None) -> None:
    assert bad("chatter", b"12345") == 5


def test_large_data_and_many_threads() -> None:
    body = FEED.replace(b"one", b"x" * 3_000_000)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: isolated(ECHO, body if i % 8 == 0 else FEED, {}), range(48)))
    assert [len(a["items"][0]["title"]) for a in answers] == [1000 if i % 8 == 0 else 3 for i in range(48)]
    assert len(isolation._pool().queue) == isolation.CHILDREN


def test_only_parsers_of_ours() -> None:
    with pytest.raises(ValueError, match="not a parser"):
        isolated("os:system", b"", {})


def test_a_child_ends_with_its_worker() -> None:
    script = (
        "import os, signal\nfrom listening import isolation\n"
        f"isolation.isolated({ECHO!r}, b'x', {{}})\n"
        "print(isolation._pool().queue[-1]._process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    worker = subprocess.run([sys.executable, "-c", script], cwd=isolation._ROOT, capture_output=True, text=True)
    child = int(worker.stdout)
    for _ in range(100):
        if not _alive(child):
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its worker")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_forked_worker_has_children_of_its_own(bad_parsers: None) -> None:
    mine = bad("pid")
    reader, writer = os.pipe()
    if not (worker := os.fork()):
        os.write(writer, str(bad("pid")).encode())
        _end_children()
        os._exit(0)
    os.waitpid(worker, 0)
    assert int(os.read(reader, 20)) != mine
    assert bad("pid") == mine
    assert threading.active_count() >= 1
