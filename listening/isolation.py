"""Parsers of what strangers wrote, each in a child process that may fail without harm.

A worker keeps a few children, started when first needed. A child has a limit of memory and of processor time, opens
no connection and starts no program; if it crashes or takes too long it is killed, the job fails with words, and the
next job gets a new child. `subprocess` and not `multiprocessing`, which Celery's workers may not use.

A frame is its length (4 bytes, big endian) and its bytes. A job is two frames, the JSON of [name, options] and the
data; its answer is one frame of JSON.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

CHILDREN = 2
MEMORY = 1024**3
CPU_SECONDS = 60
WALL_SECONDS = 60.0
TIRED = 400 * 1024
"""A child that has once held so many KiB is replaced after its job."""

_PARSERS: Final = "listening.connectors."
_ROOT: Final = Path(__file__).resolve().parent.parent
_COMMAND: Final = [sys.executable, "-m", "listening.isolation"]
_ENVIRONMENT: Final = {"LANG": "C.UTF-8"}
"""None of the worker's: it holds passwords."""


def isolated(name: str, data: bytes, options: dict[str, Any]) -> Any:
    """What the parser `name` ("module:function" of listening.connectors) makes of `data`: JSON values. The function is
    called with (data, options). Raises Broken when it crashed, used more than 60 s or 1 GiB, or raised; a parser that
    wants to say something itself returns it. Safe to call from many threads; at most two jobs run at a time."""
    from listening.connectors.contract import Broken, gettext_noop  # here, for the child has no need of httpx

    gave_up = gettext_noop("This could not be read: it takes too much time or memory. Check what stands there.")

    if not name.startswith(_PARSERS):
        raise ValueError(f"{name} is not a parser of ours")
    try:
        with _borrowed() as child:
            answer = child.ask(json.dumps([name, options]).encode(), data)
    except (OSError, EOFError) as error:
        raise Broken(gave_up, details=f"{type(error).__name__}: {error}") from error
    if "error" in answer:
        raise Broken(gave_up, details=answer["error"])
    return answer["value"]


# ── the worker's side ───────────────────────────────────────────────────────────────────────────────────────────────


class _Child:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            _COMMAND, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_ENVIRONMENT
        )

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, job: bytes, data: bytes) -> dict[str, Any]:
        """Raises OSError or EOFError when the child died or the time is up."""
        assert self._process.stdin
        assert self._process.stdout
        _write(self._process.stdin, job)
        _write(self._process.stdin, data)
        answer: dict[str, Any] = json.loads(_read_within(self._process.stdout, WALL_SECONDS))
        if answer.get("tired"):
            self.kill()
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe
                pipe.close()


@contextlib.contextmanager
def _borrowed() -> Iterator[_Child]:
    pool = _pool()
    child = pool.get()
    try:
        if child is None or not child.alive():
            child = _Child()
        yield child
    except BaseException:  # it died, or was left half-way: its pipes can't be trusted
        if child:
            child.kill()
        raise
    finally:
        pool.put(child)


@cache
def _pool() -> queue.LifoQueue[_Child | None]:
    """The last used first, so that a quiet worker keeps one child only."""
    pool: queue.LifoQueue[_Child | None] = queue.LifoQueue()
    for _ in range(CHILDREN):
        pool.put(None)
    return pool


def _forget() -> None:
    """A forked worker starts children of its own."""
    _pool.cache_clear()
    _pool()


def _end() -> None:
    pool = _pool()
    while not pool.empty():
        if child := pool.get():
            child.kill()


_pool()  # now, while there is one thread
os.register_at_fork(after_in_child=_forget)
atexit.register(_end)


def _read_within(pipe: IO[bytes], seconds: float) -> bytes:
    """One frame. Raises EOFError or TimeoutError."""
    until = time.monotonic() + seconds
    poll = select.poll()
    poll.register(pipe, select.POLLIN)

    def exactly(size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not poll.poll(max(until - time.monotonic(), 0) * 1000):
                raise TimeoutError("time is up")
            part = os.read(pipe.fileno(), min(size - len(parts), 1 << 20))
            if not part:
                raise EOFError("the child ended")
            parts += part
        return bytes(parts)

    return exactly(int.from_bytes(exactly(4), "big"))


def _write(pipe: IO[bytes], frame: bytes) -> None:
    pipe.write(len(frame).to_bytes(4, "big"))
    pipe.write(frame)
    pipe.flush()


# ── the child's side ────────────────────────────────────────────────────────────────────────────────────────────────


def _serve() -> None:
    """Answers jobs until the worker closes the pipe, which it also does by dying."""
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints must not be taken for an answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_stay_inside)
    while head := jobs.read(4):
        name, options = json.loads(jobs.read(int.from_bytes(head, "big")))
        data = jobs.read(int.from_bytes(jobs.read(4), "big"))
        _write(answers, _work(name, data, options))


def _work(name: str, data: bytes, options: dict[str, Any]) -> bytes:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_SECONDS, resource.RLIM_INFINITY))
    module, _, function = name.partition(":")
    try:
        value = json.dumps(getattr(importlib.import_module(module), function)(data, options))
    except Exception as error:  # whatever it is, the worker must hear of it
        return json.dumps({"error": f"{type(error).__name__}: {error}"[:500], "tired": True}).encode()
    tired = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > TIRED
    return f'{{"value": {value}, "tired": {json.dumps(tired)}}}'.encode()


def _stay_inside(event: str, arguments: tuple[Any, ...]) -> None:
    """A second wall behind parsers that are told to fetch nothing. What C code does by itself is not seen here."""
    if event in _OUTSIDE:
        raise PermissionError(f"{event} is not for parsers")


_OUTSIDE: Final = frozenset(
    {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "urllib.Request"}
    | {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"}
)

if __name__ == "__main__":
    _serve()
