"""Far sides on the loopback address: a server that replays what was written down, and a line that gets cut."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from listening.connectors.contract import World
from listening.fetching import Policy, client, sending_client
from listening.isolation import isolated

HOST = "127.0.0.1"
Exchange = dict[str, Any]


def world(*addresses: str, now: datetime | None = None, sending: bool = False) -> World:
    """The guarded client as a connector gets it, allowed to reach these addresses of ours."""
    policy = Policy(frozenset(urlsplit(address).netloc for address in addresses))
    http = sending_client(policy) if sending else client(policy)
    return World(http=http, isolated=isolated, now=lambda: now or datetime.now(UTC))


class Replay:
    """Plays exchanges written down as [{"get": path and query, "status", "headers", "json" or "text"}].

    The query must be equal, in any order. The same address more than once answers in turn, the last answer for ever.
    "{base}" stands for the server's own address.
    """

    def __init__(self, exchanges: list[Exchange]) -> None:
        self.asked: list[str] = []
        self._answers: dict[tuple[str, tuple[tuple[str, str], ...]], list[Exchange]] = {}
        for exchange in exchanges:
            self._answers.setdefault(_address(exchange["get"]), []).append(exchange)

    def answer(self, target: str, base: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(target)
        turns = self._answers.get(_address(target))
        if turns is None:
            return 404, {"Content-Type": "application/json"}, b'{"error": "Record not found"}'
        exchange = turns.pop(0) if len(turns) > 1 else turns[0]
        text = exchange["text"] if "text" in exchange else json.dumps(exchange.get("json"))
        kind = "text/html" if "text" in exchange else "application/json"
        headers = {"Content-Type": kind} | exchange.get("headers", {})
        filled = {name: value.replace("{base}", base) for name, value in headers.items()}
        return exchange.get("status", 200), filled, text.replace("{base}", base).encode("utf-8", "surrogatepass")


def _address(target: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    parts = urlsplit(target)
    return parts.path, tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))


@contextlib.contextmanager
def replaying(exchanges: list[Exchange]) -> Iterator[tuple[str, Replay]]:
    """A server that replays, and its address."""
    replay = Replay(exchanges)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = replay.answer(self.path, base)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    base = f"http://{HOST}:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield base, replay
    finally:
        server.shutdown()
        server.server_close()


Cut = Literal["", "before", "after", "half"]


@dataclass
class Line:
    """A line to a server that can be cut: `before` the request is passed on, `after` the server has answered but
    before a byte comes back, or `half` way through the answer. Only requests that begin with `method` are cut."""

    target: int
    cut: Cut = ""
    method: bytes = b"POST"
    listener: socket.socket = field(default_factory=lambda: socket.create_server((HOST, 0)))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(caller,), daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        with contextlib.suppress(OSError), caller, socket.create_connection((HOST, self.target)) as server:
            request = _whole(caller)
            cut = self.cut if request.startswith(self.method) else ""
            if cut == "before":
                return _reset(caller)
            server.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
            answer = b"".join(iter(lambda: server.recv(65536), b""))
            if cut == "after":
                return _reset(caller)
            caller.sendall(answer[: len(answer) // 2] if cut == "half" else answer)
        return None


def _whole(caller: socket.socket) -> bytes:
    """One request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += caller.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < sum(lengths):
        body += caller.recv(65536)
    return head + b"\r\n\r\n" + body


def _reset(caller: socket.socket) -> None:
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    line = Line(port)
    threading.Thread(target=line.run, daemon=True).start()
    try:
        yield line
    finally:
        line.listener.close()
