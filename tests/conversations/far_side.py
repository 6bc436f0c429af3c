"""A network that does as it is told: Mastodon's API over plain sockets, where each account has faults of its own.

An account is known by its token. What was really published, and what was tried, is kept for the tests to compare with.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
Answer = Callable[["Call"], None]


@dataclass(frozen=True)
class Act:
    """What happens to one attempt: is the post kept, and what is answered."""

    published: bool
    answer: Answer


@dataclass
class Character:
    """How the network treats one account: an act for each attempt, after the last one all is well."""

    acts: Sequence[Act] = ()
    keys: bool = True
    lag: float = 0.0
    """Seconds until lists show a post; infinite: never."""
    locked_out: bool = False
    """Nothing can be read either."""


@dataclass
class Post:
    id: str
    account: str
    parent: str
    text: str
    key: str
    created: float
    shown: float


@dataclass
class Call:
    """One attempt to post, and the connection on which it came."""

    connection: socket.socket
    stopping: threading.Event
    status: Json
    """The post as a healthy network would show it."""

    def write(self, status: int, body: bytes, *headers: str, length: int | None = None) -> None:
        head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body) if length is None else length}"]
        self.connection.sendall("\r\n".join([*head, "Connection: close", *headers, "", ""]).encode() + body)


class FarSide(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.stopping = threading.Event()
        self.characters: dict[str, Character] = {}
        self.posts: list[Post] = []
        self.attempts: list[tuple[str, str]] = []
        """Account and key of each attempt that came whole."""
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    def published(self, account: str) -> list[Post]:
        return [post for post in self.posts if post.account == account]

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def attempt(self, account: str, body: Json, key: str) -> tuple[Post | None, Act]:
        """Keeps the post if this attempt is to be kept, once for each key where keys are honoured."""
        with self._lock:
            character = self.characters[account]
            tried = sum(1 for name, _ in self.attempts if name == account)
            self.attempts.append((account, key))
            act = character.acts[tried] if tried < len(character.acts) else WELL
            post = next((p for p in self.posts if character.keys and (p.account, p.key) == (account, key)), None)
            if post is None and act.published:
                post = self.publish(account, body["in_reply_to_id"], body["status"], key)
            return post, act

    def publish(self, account: str, parent: str, text: str, key: str = "") -> Post:
        now = time.time()
        post = Post(str(len(self.posts) + 1), account, parent, text, key, now, now + self.characters[account].lag)
        self.posts.append(post)
        return post

    def shown(self, account: str) -> list[Json]:
        return [self.status(p) for p in reversed(self.posts) if p.account == account and p.shown <= time.time()]

    def status(self, post: Post) -> Json:
        return {
            "id": post.id,
            "uri": f"{self.url}/users/{post.account}/statuses/{post.id}",
            "url": f"{self.url}/@{post.account}/{post.id}",
            "created_at": datetime.fromtimestamp(post.created, UTC).isoformat(),
            "in_reply_to_id": post.parent,
            "content": f"<p>{post.text}</p>",
            "account": {"id": post.account, "acct": post.account},
        }


class _Connection(socketserver.StreamRequestHandler):
    server: FarSide
    timeout = 60

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self._handle()

    def _handle(self) -> None:
        first = self.rfile.readline().decode().split(" ")
        if len(first) != 3:  # who called is dead
            return
        method, target, _ = first
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(self.rfile.readline, b"\r\n"))
        length = int(headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            return
        account = headers.get("authorization", "").removeprefix("bearer ")
        call = Call(self.connection, self.server.stopping, {})
        if method == "POST":
            self._post(call, account, json.loads(body), headers["idempotency-key"])
        else:
            self._get(call, account, urlsplit(target).path)

    def _post(self, call: Call, account: str, body: Json, key: str) -> None:
        post, act = self.server.attempt(account, body, key)
        call.status = self.server.status(post or Post("0", account, body["in_reply_to_id"], body["status"], key, 0, 0))
        act.answer(call)

    def _get(self, call: Call, account: str, path: str) -> None:
        if self.server.characters[account].locked_out:
            return refuse(401)(call)
        if path.endswith("/context"):
            below = [each for each in self.server.shown(account) if f"/{each['in_reply_to_id']}/" in path]
            return say(200, {"ancestors": [], "descendants": below})(call)
        if path.startswith("/api/v1/accounts/"):
            return say(200, self.server.shown(account))(call)
        return say(200, {"id": path.rpartition("/")[2]})(call)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def say(status: int, body: Any, *headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda call: call.write(status, data, *headers)


def refuse(status: int, words: str = "No", *headers: str) -> Answer:
    return say(status, {"error": words}, *headers)


def confirm(call: Call) -> None:
    call.write(200, json.dumps(call.status).encode())


def confirm_without(name: str, status: int = 200, **instead: Any) -> Answer:
    def answer(call: Call) -> None:
        rest = {key: value for key, value in call.status.items() if key != name}
        call.write(status, json.dumps(rest | instead).encode())

    return answer


def half(call: Call) -> None:
    body = json.dumps(call.status).encode()
    call.write(200, body[: len(body) // 2], length=len(body))


def half_a_head(call: Call) -> None:
    call.connection.sendall(b"HTTP/1.1 20")


def reset(call: Call) -> None:
    call.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.connection.close()


def keep_silent(seconds: float) -> Answer:
    def answer(call: Call) -> None:
        call.stopping.wait(seconds)

    return answer


def linger(seconds: float) -> Answer:
    """Confirms, but slowly."""

    def answer(call: Call) -> None:
        call.stopping.wait(seconds)
        confirm(call)

    return answer


WELL = Act(True, confirm)
