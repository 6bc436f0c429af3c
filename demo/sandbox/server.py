"""The HTTP server: one thread per connection, and answers that can be cut, held or thrown away."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .api import Api
from .exchange import Reply, Request, as_json, refusal
from .pages import Pages
from .people import BY_NAME
from .store import Post, Store

HOST = "127.0.0.1"
LARGEST_BODY = 64 * 1024
IDLE_SECONDS = 30.0


def check_permitted() -> None:
    """Raises RuntimeError unless this is the demo or a test."""
    if "1" not in (os.environ.get("ASCOLTO_DEMO"), os.environ.get("ASCOLTO_TEST")):
        raise RuntimeError("The sandbox network runs only in the demo (ASCOLTO_DEMO=1) and in tests (ASCOLTO_TEST=1).")


@dataclass
class Sandbox:
    """A running sandbox. Inside tests its store can be asked and told directly."""

    url: str
    store: Store
    _server: _Server

    def say(self, who: str, text: str, to: str | None = None, **how: Any) -> Post:
        """One of the characters says something, perhaps in answer to the post with id `to`."""
        return self.store.publish(BY_NAME[who], text, int(to) if to else None, **how)

    def fault(self, *faults: dict[str, Any]) -> None:
        """What goes wrong at the next sends, in this order."""
        self.store.add_faults(faults)

    def published(self, who: str = "nivalta") -> list[dict[str, Any]]:
        """What an account has really published, deleted or not."""
        return [post for post in self.store.truth()["posts"] if post["account"] == who]

    def stop(self) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self.store.close()


def start(port: int = 0, *, keys: bool | None = None, path: Path | None = None) -> Sandbox:
    """Starts the sandbox in threads of this process. `port` 0 takes a free one; `keys` sets whether idempotency
    keys are honoured (None leaves what was set); `path` names an SQLite file, None keeps all in memory."""
    check_permitted()
    store = Store(path)
    if keys is not None:
        store.keys = keys
    server = _Server((HOST, port), store)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True).start()
    return Sandbox(f"http://{HOST}:{server.server_port}", store, server)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], store: Store) -> None:
        super().__init__(address, _Handler)
        self.stopping = threading.Event()
        self.api, self.pages, self.store = Api(store), Pages(store), store

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no news."""

    def answer(self, request: Request) -> Reply:
        if not _from_here(request):
            return refusal(403, "This server answers only to this computer")
        if request.path in ("/_faults", "/_truth"):
            return self._control(request)
        return self.api.answer(request) or self.pages.answer(request)

    def _control(self, request: Request) -> Reply:
        """How tests tell and ask the truth."""
        if request.path == "/_truth":
            return as_json(self.store.truth())
        if request.method == "POST":
            value = json.loads(request.body)
            self.store.add_faults(value if isinstance(value, list) else [value])
        elif request.method == "DELETE":
            self.store.clear_faults()
        return as_json(self.store.faults())


def _from_here(request: Request) -> bool:
    """Only pages of this server may write, and only under a name that means this computer."""
    here = urlsplit(request.base)
    origin = request.headers.get("origin", "")
    return here.hostname in ("127.0.0.1", "localhost") and origin in ("", request.base)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Piazzetta/1.0"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: _Server

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            return self._write(refusal(413, "Too large"))
        request = Request(
            method="GET" if self.command == "HEAD" else self.command,
            path=parts.path,
            query=parse_qsl(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
            base=f"http://{self.headers.get('Host', '')}",
        )
        return self._write(self.server.answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _write(self, reply: Reply) -> None:
        if reply.ending == "hang":
            self.server.stopping.wait(reply.seconds)
        if reply.ending in ("hang", "drop"):
            return self._reset()
        body = reply.body
        head = {"Content-Length": str(len(body)), "Cache-Control": "no-store"} | reply.headers
        self.send_response(reply.status)
        for name, value in head.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if reply.ending == "half" else body)
        if reply.ending == "half":
            self.wfile.flush()
            self.close_connection = True
        return None

    def _reset(self) -> None:
        """Hangs up with a reset instead of a polite end."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The square keeps no log of who asks."""


def serve(port: int, path: Path) -> None:
    """Runs until the process is told to stop."""
    sandbox = start(port, path=path)
    print(f"La Piazzetta: {sandbox.url}", flush=True)
    try:
        while True:
            time.sleep(3600)
    finally:
        sandbox.stop()
