"""A far side that publishes feeds over real HTTP and remembers what it said: the ground truth of a test."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]
NONE: Headers = {}
RSS = {"Content-Type": "application/rss+xml"}


def rss(*entries: tuple[str, str], extra: str = "") -> bytes:
    """A feed of (id, text); newest last."""
    items = "".join(
        f"<item><guid isPermaLink='false'>{escape(key)}</guid><title>{escape(text)}</title>{extra}</item>"
        for key, text in reversed(entries)
    )
    return f"<rss version='2.0'><channel><title>Notes</title>{items}</channel></rss>".encode()


@dataclass
class Publisher:
    """`answers[path]` is called with the path; `asked` counts per path; `at_once` is the most that ran together."""

    url: str = ""
    answers: dict[str, Callable[[str], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    running: dict[str, int] = field(default_factory=dict)
    at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def publish(self, path: str, body: bytes, status: int = 200, headers: Headers = NONE, slow: float = 0) -> str:
        def answer(_: str) -> Answer:
            time.sleep(slow)
            return status, RSS | headers, body

        return self.serve(path, answer)

    def serve(self, path: str, answer: Callable[[str], Answer]) -> str:
        self.answers[path] = answer
        return self.url + path

    def told(self, path: str) -> Answer:
        with self.lock:
            self.asked.append(path)
            self.running[path] = self.running.get(path, 0) + 1
            self.at_once = max(self.at_once, self.running[path])
        try:
            return self.answers[path](path) if path in self.answers else (404, {}, b"")
        finally:
            with self.lock:
                self.running[path] -= 1


@contextlib.contextmanager
def publishing() -> Iterator[Publisher]:
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = publisher.told(self.path)
            with contextlib.suppress(OSError):  # whoever asked may be dead by now
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    publisher.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
