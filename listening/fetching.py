"""The one guarded way out to the network.

Whoever listens or speaks gets an `httpx.Client` from here and nothing else: every address it reaches was looked up
once, checked and is the very one connected to; every answer is bounded in size and time; nothing comes from the
environment (no proxy, no .netrc) and nothing stays between calls (no cookies).

One transport, one TLS context and one pool of connections serve a process: a client costs 0.03 ms, and threads may
share it. Trouble is raised as the contract's `Trouble` (`as_trouble` is the one place that puts it into words).
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LookUpTimeout
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import httpcore
import httpx

from listening.connectors._waiting import freshness, retry_after
from listening.connectors.contract import Broken, Forbidden, Throttled, Trouble, Unreachable
from listening.connectors.contract import gettext_noop as _

__all__ = ["Policy", "as_trouble", "client", "freshness", "retry_after", "sending_client"]

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 30.0
"""For the whole exchange: looking the name up, all redirects, the last byte of the body."""
LARGEST_BODY = 32 * 1024 * 1024
"""Bytes, as received and inflated."""
LARGEST_HEAD = 256 * 1024
"""Bytes read before the body begins: headers, and early answers (1xx), which have no end of their own."""
LONGEST_URL = 2048
LONGEST_HOST = 253
HOPS = 3
PER_HOST = 2
"""Exchanges with one host at the same time."""
SLOT_SECONDS = 30.0

_TOO_LARGE: Final = _("The answer is larger than 32 MB. Look for a smaller feed of the same place.")

# Addresses that no public server has: RFC 6890, the IANA special-purpose registries, and the one address of Azure's
# host. Of IPv6 only 2000::/3 is public, which leaves out mapped, NAT64, site-local and multicast forms by itself.
# fmt: off
_INNER_V4: Final = tuple(map(ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
    "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)))
# fmt: on
_PUBLIC_V6: Final = ip_network("2000::/3")
# 2001::/23 holds Teredo, ORCHID and other protocols; 2002::/16 is 6to4; the rest is documentation and AS112.
_INNER_V6: Final = tuple(
    ip_network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_HOST_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_NUMBER: Final = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided: `allow` holds exact `host:port` pairs that may be reached although they are inner."""

    allow: frozenset[str] = frozenset()
    user_agent: str = "Ascolto/0.1"
    pace: float = 1.0
    """Scales the time limits of a send, as the outbox's waits are: tests with a silent far side take a twentieth."""

    @classmethod
    def from_settings(cls, *, sending: bool = False) -> Policy:
        from django.conf import settings

        contact = f" (+{settings.CONTACT_ADDRESS})" if settings.CONTACT_ADDRESS else ""
        pace = settings.TIME_SCALE if sending else 1.0
        return cls(frozenset(settings.ALLOW_ADDRESSES), f"Ascolto/0.1{contact}", pace)


def client(policy: Policy | None = None) -> httpx.Client:
    """A client for listening: up to three redirects, connections kept for a moment, at most two exchanges with one
    host at a time. Raises `Trouble` and never an httpx error. `response.history` holds the redirects.

    Forbidden: no byte left. Unreachable: no answer. Broken: an answer that can't be used. Throttled: too many
    exchanges with this host are under way here."""
    policy = policy or Policy.from_settings()
    return _Client(_transport(policy, keep=True), policy, follow_redirects=True)


def sending_client(policy: Policy | None = None) -> httpx.Client:
    """A client for one send: a fresh connection, no retry, no redirect. It raises httpx's own errors, since the sender
    must tell `httpx.ConnectError` and `httpx.ConnectTimeout` (provably nothing sent) from all others (unknown). Of our
    own, `Forbidden` also means that nothing left; `Broken` (the answer is too large or strangely packed) does not."""
    policy = policy or Policy.from_settings(sending=True)
    return httpx.Client(
        transport=_transport(policy, keep=False), trust_env=False, cookies=_no_cookies(), headers=_headers(policy)
    )


class _Client(httpx.Client):
    """Words for whatever goes wrong, and no step back from https to http."""

    def __init__(self, transport: httpx.BaseTransport, policy: Policy, *, follow_redirects: bool) -> None:
        super().__init__(
            transport=transport,
            trust_env=False,
            cookies=_no_cookies(),
            headers=_headers(policy),
            follow_redirects=follow_redirects,
            max_redirects=HOPS,
            event_hooks={"response": [_refuse_downgrade]},
        )

    def build_request(self, *args: Any, **kwargs: Any) -> httpx.Request:
        try:
            return super().build_request(*args, **kwargs)
        except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
            raise Forbidden(_("This is not a web address. Check how it is written."), details=str(error)) from error

    def send(self, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        try:
            return super().send(request, **kwargs)
        except httpx.HTTPError as error:
            raise as_trouble(error) from error
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise Broken(
                _("The address leads on to something that is not a web address."), details=str(error)
            ) from error


def as_trouble(error: httpx.HTTPError) -> Trouble:
    """The words for an httpx error. Its `details` are those of the error."""
    details = f"{type(error).__name__}: {error}"
    match error:
        case httpx.ConnectTimeout():
            words = _("The server did not answer in time when we called. It is tried again by itself.")
        case httpx.ConnectError() if "CERTIFICATE" in details.upper() or "SSL" in details.upper():
            words = _("The server's certificate could not be trusted, or no secure connection was possible.")
        case httpx.ConnectError():
            words = _("The server could not be reached. Check the address; if it is right, the server may be down.")
        case httpx.TimeoutException():
            words = _("The server took too long to answer. It is tried again by itself.")
        case httpx.TooManyRedirects():
            return Broken(_("The address leads on and on to other addresses. Use the last one."), details=details)
        case httpx.ProtocolError():
            return Broken(_("The server's answer broke off or is no proper answer."), details=details)
        case httpx.UnsupportedProtocol():
            return Forbidden(_("Only addresses that begin with http or https are read."), details=details)
        case _:
            words = _("The connection was cut before the answer was complete. It is tried again by itself.")
    return Unreachable(words, details=details)


def _refuse_downgrade(response: httpx.Response) -> None:
    if response.has_redirect_location and response.url.scheme == "https":
        target = response.url.join(response.headers["location"])
        if target.scheme != "https":
            raise Forbidden(
                _("The address leads from a secure page to one that is not. Ask for its secure address."),
                details=str(target)[:300],
            )


def _headers(policy: Policy) -> dict[str, str]:
    return {"User-Agent": policy.user_agent, "Accept-Encoding": "gzip"}


@cache
def _no_cookies() -> CookieJar:
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


# ── checking where to ───────────────────────────────────────────────────────────────────────────────────────────────


def check_url(url: httpx.URL, allow: frozenset[str]) -> None:
    """Raises Forbidden for an address that must not even be looked up."""
    host = url.raw_host.decode("ascii")
    if url.scheme not in ("http", "https"):
        raise Forbidden(_("Only addresses that begin with http or https are read."), details=url.scheme[:40])
    if len(str(url)) > LONGEST_URL or len(host) > LONGEST_HOST:
        raise Forbidden(_("The address is too long."))
    if url.userinfo:
        raise Forbidden(_("The address holds a name or password. Leave out what stands before the @."))
    port = url.port if url.port is not None else {"http": 80, "https": 443}[url.scheme]
    if port not in (80, 443) and _place(host, port) not in allow:
        raise Forbidden(
            _("Only the usual web ports are read. An administrator can allow this address."), details=_place(host, port)
        )
    if _literal(host) is None and (not _HOST_NAME.fullmatch(host) or _NUMBER.search(host)):
        raise Forbidden(_("This is not the name of a server. Check how it is written."), details=host[:100])


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _INNER_V4)
    return address in _PUBLIC_V6 and not any(address in net for net in _INNER_V6)


def look_up(host: str, port: int, seconds: float) -> list[IPv4Address | IPv6Address]:
    """All addresses of a name, in the system's order. Raises httpcore.ConnectError or ConnectTimeout."""
    if (literal := _literal(host)) is not None:
        return [literal]
    try:
        answers = _resolver().submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM).result(seconds)
    except LookUpTimeout as error:
        raise httpcore.ConnectTimeout("name look-up timed out") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"name look-up failed: {error}") from error
    return list(dict.fromkeys(ip_address(str(sockaddr[0]).partition("%")[0]) for *ignored, sockaddr in answers))


@cache
def _resolver() -> ThreadPoolExecutor:
    """The system's look-up can't be given a time limit, so it runs beside us; only new connections need it."""
    return ThreadPoolExecutor(16, "look-up")


# ── one exchange, bounded ───────────────────────────────────────────────────────────────────────────────────────────


class _Exchange(threading.local):
    """The bounds of what this thread is doing. An exchange runs in one thread from first to last byte, and the network
    layer, which knows no requests, finds its limits here."""

    deadline: float = 0.0
    bytes_left: int = 0

    def seconds(self, limit: float | None) -> float:
        """Time for one step; never 0, which would mean not to wait at all."""
        left = self.deadline - time.monotonic()
        return max(min(left, limit or left), 0.001)


_exchange = _Exchange()


class _Stream(httpcore.NetworkStream):
    """A connection on which each read, write and handshake is held to the bounds of the exchange."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if time.monotonic() >= _exchange.deadline:
            raise httpcore.ReadTimeout("the answer took longer than allowed in all")
        data = self._stream.read(max_bytes, _exchange.seconds(timeout))
        _exchange.bytes_left -= len(data)
        if _exchange.bytes_left < 0:
            raise Broken(_TOO_LARGE)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _exchange.seconds(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _exchange.seconds(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Network(httpcore.SyncBackend):
    """Connects only to addresses that were checked: what is looked up is what is called."""

    def __init__(self, allow: frozenset[str]) -> None:
        self._allow = allow

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        until = time.monotonic() + _exchange.seconds(timeout)
        addresses = look_up(host, port, until - time.monotonic())
        if _place(host, port) not in self._allow and not all(map(is_public, addresses)):
            raise Forbidden(
                _("The address belongs to an inner network. An administrator can allow it."), details=_place(host, port)
            )
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            left = until - time.monotonic()
            if left <= 0:
                raise httpcore.ConnectTimeout("no address of the server answered in time")
            try:
                return _Stream(super().connect_tcp(str(address), port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Transport(httpx.BaseTransport):
    """httpx's side of it: checks the address, takes a place in the host's queue, reads the whole bounded body."""

    def __init__(self, policy: Policy, *, keep: bool) -> None:
        self._allow = policy.allow
        self._total = TOTAL_SECONDS * policy.pace
        self._timeouts = {step: limit * policy.pace for step, limit in _TIMEOUTS.items()}
        self._slots = _Slots()
        self._inner = httpx.HTTPTransport(verify=_tls(), trust_env=False, retries=0)
        self._inner._pool = httpcore.ConnectionPool(
            ssl_context=_tls(),
            max_connections=64,
            max_keepalive_connections=8 if keep else 0,
            keepalive_expiry=5.0,
            retries=0,
            network_backend=_Network(policy.allow),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        check_url(request.url, self._allow)
        with self._slots.of(request.url.host):
            # A redirect inherits the extensions of the request before it, so one deadline covers all hops.
            _exchange.deadline = request.extensions.setdefault("deadline", time.monotonic() + self._total)
            _exchange.bytes_left = LARGEST_HEAD
            request.extensions["timeout"] = self._timeouts
            response = self._inner.handle_request(request)
            _exchange.bytes_left = LARGEST_BODY
            try:
                return httpx.Response(
                    response.status_code,
                    headers=[pair for pair in response.headers.raw if pair[0].lower() not in _FRAMING],
                    content=_body(response),
                    extensions={"http_version": b"HTTP/1.1"},
                )
            finally:
                response.close()

    def close(self) -> None:
        """The pool outlives the client: others use it."""


_TIMEOUTS: Final = {"connect": CONNECT_SECONDS, "read": READ_SECONDS, "write": READ_SECONDS, "pool": READ_SECONDS}
_FRAMING: Final = (b"content-encoding", b"content-length", b"transfer-encoding")


def _body(response: httpx.Response) -> bytes:
    """The inflated body. httpx's own decoders would inflate a bomb in one piece before anyone could count."""
    encodings = [e.strip().lower() for e in response.headers.get("content-encoding", "").split(",") if e.strip()]
    if encodings in ([], ["identity"]):
        return b"".join(response.iter_raw())
    if encodings in (["gzip"], ["x-gzip"]):
        return _inflated(response.iter_raw())
    raise Broken(_("The answer is packed in a way we did not ask for."), details=", ".join(encodings)[:100])


def _inflated(chunks: Iterable[bytes]) -> bytes:
    parts, size = [], 0
    inflater = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            while chunk:
                if inflater.eof:  # several members in a row are one file; anything else after the end is padding
                    if not chunk.startswith(b"\x1f"):
                        break
                    inflater = zlib.decompressobj(wbits=31)
                part = inflater.decompress(chunk, LARGEST_BODY - size + 1)
                parts.append(part)
                size += len(part)
                if size > LARGEST_BODY:
                    raise Broken(_TOO_LARGE)
                chunk = inflater.unused_data
    except zlib.error as error:
        raise Broken(_("The answer is damaged: it can't be unpacked."), details=str(error)) from error
    if parts and not inflater.eof:
        raise Broken(_("The server's answer broke off or is no proper answer."), details="gzip ended early")
    return b"".join(parts)


class _Slots:
    """At most PER_HOST exchanges with one host at a time, so that politeness does not depend on who asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, tuple[threading.Semaphore, int]] = {}

    @contextlib.contextmanager
    def of(self, host: str) -> Iterator[None]:
        with self._lock:
            slot, users = self._hosts.get(host) or (threading.Semaphore(PER_HOST), 0)
            self._hosts[host] = slot, users + 1
        try:
            if not slot.acquire(timeout=SLOT_SECONDS):
                raise Throttled(_("Other pages of this server are being read, and slowly. It is tried again soon."))
            try:
                yield
            finally:
                slot.release()
        finally:
            with self._lock:
                slot, users = self._hosts[host]
                if users > 1:
                    self._hosts[host] = slot, users - 1
                else:
                    del self._hosts[host]


@cache
def _tls() -> ssl.SSLContext:
    """One for the process: making it costs 15 ms. The environment (SSL_CERT_FILE) has no say in it."""
    return httpx.create_ssl_context(trust_env=False)


@cache
def _transport(policy: Policy, *, keep: bool) -> _Transport:
    return _Transport(policy, keep=keep)


def _forget() -> None:
    """A forked worker must not share sockets, locks and threads with its parent."""
    _transport.cache_clear()
    _resolver.cache_clear()


os.register_at_fork(after_in_child=_forget)
