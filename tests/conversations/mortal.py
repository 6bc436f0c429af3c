"""The product's own Celery application, whose sender dies where a reply says so.

An account with the remote id `NAME@POINT` kills (SIGKILL) the first process that comes with it to POINT.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from celery.signals import worker_init

from config.celery import app

django.setup()

from conversations import outbox  # noqa: E402
from conversations.models import Reply  # noqa: E402
from listening import fetching  # noqa: E402

__all__ = ["POINTS", "app"]

POINTS = {
    "claiming": "before the claim is committed",
    "claimed": "after the commit, before the first byte",
    "half-written": "half of the request has left",
    "written": "the whole request has left",
    "half-read": "a part of the answer has come",
    "answered": "the answer is read, not recorded",
    "recording": "recorded, not committed",
    "recorded": "after the commit",
    "looking": "an uncertain reply is looked for",
    "looked": "it was found or not, not recorded",
    "resending": "sent again with the same key, not recorded",
}
speaking: Reply | None = None
posting = False
"""The request itself is leaving, not one of the questions before it."""


def die(point: str, reply: Reply | None = None) -> None:
    reply = reply or speaking
    if reply is None or reply.account is None or not reply.account.remote_id.endswith(f"@{point}"):
        return
    grave = Path(os.environ["ASCOLTO_GRAVES"]) / reply.account.remote_id
    try:
        grave.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def around(name: str, before: str = "", after: str = "", *, when: Callable[[Reply], bool] = lambda _: True) -> None:
    """Makes a function of the outbox, whose first argument is the reply, dangerous."""
    function = getattr(outbox, name)

    def mortal(reply: Reply, *given: Any, **named: Any) -> Any:
        if before and when(reply):
            die(before, reply)
        result = function(reply, *given, **named)
        if after and when(reply):
            die(after, reply)
        return result

    setattr(outbox, name, mortal)


def speak(reply: Reply, spoken: Callable[[Reply], Any] = outbox._speak) -> Any:
    global speaking, posting
    speaking, posting = reply, False
    try:
        return spoken(reply)
    finally:
        speaking = None
        if reply.attempts > 1:
            die("resending", reply)


def write(
    stream: Any, buffer: bytes, timeout: float | None = None, written: Callable[..., None] = fetching._Stream.write
) -> None:
    global posting
    ours = speaking is not None and b'"status"' in buffer
    posting = posting or ours
    if ours and speaking.account.remote_id.endswith("@half-written"):  # type: ignore[union-attr]
        middle = len(buffer) // 2
        written(stream, buffer[:middle], timeout)
        die("half-written")
        buffer = buffer[middle:]
    written(stream, buffer, timeout)
    if ours:
        time.sleep(0.05 if speaking.account.remote_id.endswith("@written") else 0)  # type: ignore[union-attr]
        die("written")


def read(
    stream: Any, size: int, timeout: float | None = None, reading: Callable[..., bytes] = fetching._Stream.read
) -> bytes:
    if posting and speaking is not None and speaking.account.remote_id.endswith("@half-read"):  # type: ignore[union-attr]
        reading(stream, 20, timeout)
        die("half-read")
    return reading(stream, size, timeout)


@worker_init.connect
def arm(**_: Any) -> None:
    """In the worker alone: the tests import this module too."""
    around("_start", after="claiming")
    around("send", before="claimed")
    around("_finish", before="answered", after="recorded")
    around("_recorded", after="recording", when=lambda reply: reply.state == Reply.State.SENT)
    around("settle", before="looking")
    around("_look", after="looked")
    outbox._speak = speak
    fetching._Stream.write = write  # type: ignore[method-assign, assignment]
    fetching._Stream.read = read  # type: ignore[method-assign, assignment]
