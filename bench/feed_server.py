"""A local server of feeds with ETags, thin enough not to be what is measured. `python -m bench.feed_server FOLDER`.

It serves the folder's files by their names from many loopback addresses, so that a polite client's limit for one host
does not decide the figure. A file is read once; SIGHUP reads those whose time has changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from pathlib import Path

HOSTS = [f"127.0.0.{n}" for n in range(2, 52)]


class Feeds:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, tuple[float, bytes, bytes]] = {}
        self.read()

    def read(self) -> None:
        for path in self.folder.iterdir():
            changed = path.stat().st_mtime
            if self.known.get(path.name, (0.0,))[0] != changed:
                body = path.read_bytes()
                etag = b'"' + hashlib.md5(body, usedforsecurity=False).hexdigest().encode() + b'"'
                self.known[path.name] = (changed, etag, body)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.answer(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, head: bytes) -> bytes:
        name = head.split(b" ", 2)[1].lstrip(b"/").decode()
        if name not in self.known:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        _, etag, body = self.known[name]
        if etag in head:
            return b"HTTP/1.1 304 Not Modified\r\nETag: " + etag + b"\r\n\r\n"
        fields = b"Content-Type: application/xml\r\nETag: " + etag + b"\r\nContent-Length: " + str(len(body)).encode()
        return b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n" + body


async def main(folder: Path) -> None:
    feeds = Feeds(folder)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, feeds.read)
    server = await asyncio.start_server(feeds.serve, HOSTS[0], 0, limit=64 * 1024)
    port = server.sockets[0].getsockname()[1]
    for host in HOSTS[1:]:
        await asyncio.start_server(feeds.serve, host, port)
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
