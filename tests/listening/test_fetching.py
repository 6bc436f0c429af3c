"""The guard: nothing inside is reached, nothing is larger or slower than allowed, and trouble has words."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx
import pytest

from listening import fetching
from listening.connectors.contract import Broken, Forbidden, Trouble, Unreachable
from listening.fetching import Policy, client, freshness, is_public, retry_after, sending_client

from .corpora import corpus

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Answer = Callable[[socket.socket, str, dict[str, str]], None]


class Server:
    """A server on the loopback address that does with the bare connection what a test tells it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.netloc = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = f"http://{self.netloc}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller:
            data = b""
            try:
                while b"\r\n\r\n" not in data:
                    if not (part := caller.recv(65536)):
                        return
                    data += part
                line, *rest = data.decode("latin-1").split("\r\n")
                headers = {k.lower(): v for k, _, v in (each.partition(": ") for each in rest if each)}
                self.asked.append(line.split()[1])
                self.headers.append(headers)
                self.answer(caller, line.split()[1], headers)
            except OSError:
                return


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.listener.close()


def says(body: bytes = b"hello", status: str = "200 OK", **headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    if "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return lambda caller, path, asked: caller.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def reaching(*servers: Server) -> httpx.Client:
    return client(Policy(frozenset(server.netloc for server in servers), "Ascolto/0.1 (+test@example.org)"))


# ── where to ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Lines:
    """Stands where connections are made, and lets none out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[str] = []
        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", self._connect)

    def _connect(self, host: str, *_: Any, **__: Any) -> httpcore.NetworkStream:
        self.called.append(host)
        raise httpcore.ConnectError("no line out of this test")


def names(monkeypatch: pytest.MonkeyPatch, *turns: list[str]) -> list[str]:
    """Lets every name have these addresses, in turn."""
    asked: list[str] = []

    def answer(host: str, port: int, **_: Any) -> list[Any]:
        addresses = turns[min(len(asked), len(turns) - 1)]
        asked.append(host)
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_no_address_of_the_corpus_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines(monkeypatch)
    names(monkeypatch, ["127.0.0.1"])  # whatever such a name would say, it means to say this
    http = client(Policy())
    plain = [case["url"] for case in corpus("ssrf-urls/must-refuse.json") if not case["url"].startswith("(")]
    assert len(plain) > 280
    for url in plain:
        if "rebind.test" in url or "multi.test" in url:
            continue
        with pytest.raises(Forbidden):
            http.get(url)
    assert lines.called == []


def test_redirect_to_an_inner_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[[Answer], Server]
) -> None:
    inner = serve(says(b"secret"))
    cases = [case for case in corpus("ssrf-urls/must-refuse.json") if "redirect" in case]
    assert len(cases) >= 15
    for case in cases:
        outer = serve(says(b"", f"{case['redirect']} Moved", Location=case["location"]))
        with pytest.raises((Forbidden, Broken)):
            reaching(outer).get(outer.url)
    outer = serve(says(b"", "302 Found", Location=inner.url))
    with pytest.raises(Forbidden):
        reaching(outer).get(outer.url)
    assert inner.asked == []


def test_one_inner_answer_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines(monkeypatch)
    for case in corpus("ssrf-urls/must-refuse.json"):
        if "dns_answer_set" in case:
            names(monkeypatch, case["dns_answer_set"])
            with pytest.raises(Forbidden):
                client(Policy()).get(case["url"])
    assert lines.called == []


def test_the_address_that_was_checked_is_the_one_called(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines(monkeypatch)
    asked = names(monkeypatch, ["93.184.216.34"], ["169.254.169.254"])
    with pytest.raises(Unreachable):
        client(Policy()).get("http://rebind.test/")
    assert lines.called == ["93.184.216.34"]
    assert asked == ["rebind.test"]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "100.64.0.1", "168.63.129.16", "169.254.169.254", "192.0.0.8", "224.0.0.1",
     "255.255.255.255", "::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "2002:808:808::1", "2001:0:1::1",
     "fec0::1", "fc00::1", "fe80::1", "ff02::1", "3fff::1", "5f00::1", "::"],
)  # fmt: skip
def test_inner_addresses(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:2800:220:1::1", "2a00:1450::1"])
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


def test_allowed_address_is_exactly_that_host_and_port(serve: Callable[[Answer], Server]) -> None:
    allowed, other = serve(says()), serve(says())
    http = reaching(allowed)
    assert http.get(allowed.url).text == "hello"
    with pytest.raises(Forbidden):
        http.get(other.url)
    with pytest.raises(Forbidden):
        http.get(allowed.url.replace("127.0.0.1", "localhost"))


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "http://u:p@a.example/", "http://a.example:8080/", "http://a.example/" + "x" * 2100,
     "http://" + "a." * 140 + "example/", "nonsense", "", "http://a b/", "http://1.2.3/", "https://0x7f.1/"],
)  # fmt: skip
def test_addresses_that_are_not_even_looked_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, ["93.184.216.34"])
    with pytest.raises(Forbidden) as caught:
        client(Policy()).get(url)
    assert caught.value.words
    assert asked == []


def test_proxy_and_netrc_of_the_environment_have_no_say(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[[Answer], Server]
) -> None:
    proxy, server = serve(says(b"proxy")), serve(says(b"server"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert reaching(server).get(server.url).text == "server"
    assert proxy.asked == []


def test_slow_look_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1.5))
    began = time.monotonic()
    with pytest.raises(Unreachable):
        client(Policy(pace=0.04)).get("http://slow.test/")
    assert time.monotonic() - began < 1


# ── redirects ───────────────────────────────────────────────────────────────────────────────────────────────────────


def chain(hops: int, status: str = "301 Moved") -> Answer:
    def answer(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        step = int(path.strip("/") or 0)
        if step < hops:
            says(b"", status, Location=f"/{step + 1}")(caller, path, asked)
        else:
            says(b"end")(caller, path, asked)

    return answer


@pytest.mark.parametrize("status", ["301 M", "302 M", "303 M", "307 M", "308 M"])
def test_three_redirects_are_followed_and_remembered(status: str, serve: Callable[[Answer], Server]) -> None:
    server = serve(chain(3, status))
    response = reaching(server).get(server.url)
    assert (response.text, str(response.url)) == ("end", f"{server.url}/3")
    assert [hop.status_code for hop in response.history] == [int(status[:3])] * 3


@pytest.mark.parametrize("hops", [4, 5, 20, 100])
def test_more_redirects_are_not(hops: int, serve: Callable[[Answer], Server]) -> None:
    server = serve(chain(hops))
    with pytest.raises(Broken):
        reaching(server).get(server.url)
    assert len(server.asked) == 4


@pytest.mark.parametrize("location", ["http://[", "gopher://x/", "http://u:p@127.0.0.1/", "http://a\x00b/", "//"])
def test_redirects_to_nonsense(location: str, serve: Callable[[Answer], Server]) -> None:
    server = serve(says(b"", "302 Found", Location=location))
    with pytest.raises((Broken, Forbidden)):
        reaching(server).get(server.url)


def test_authorization_stays_with_its_origin_and_cookies_are_refused(serve: Callable[[Answer], Server]) -> None:
    other = serve(says())
    server = serve(says(b"", "302 Found", Location=f"{other.url}/there", Set_Cookie="a=b; Path=/"))
    http = reaching(server, other)
    http.get(server.url, headers={"Authorization": "Bearer secret"})
    http.get(server.url)
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert "authorization" not in other.headers[0]
    assert "cookie" not in server.headers[1]
    assert server.headers[0]["accept-encoding"] == "gzip"
    assert server.headers[0]["user-agent"] == "Ascolto/0.1 (+test@example.org)"


def test_no_step_back_from_https() -> None:
    request = httpx.Request("GET", "https://a.example/")
    back = httpx.Response(302, headers={"Location": "http://a.example/x"}, request=request)
    with pytest.raises(Forbidden):
        fetching._refuse_downgrade(back)
    fetching._refuse_downgrade(httpx.Response(302, headers={"Location": "/x"}, request=request))


# ── size ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def packed(megabytes: int, wbits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    block = b"\0" * (1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(megabytes)), packer.flush()])


def test_bombs_of_the_corpus_are_refused_or_bounded(serve: Callable[[Answer], Server]) -> None:
    cases = [case for case in corpus("http-faults/cases.json") if case["fault"] == "bomb"]
    assert len(cases) >= 30
    for case in cases:
        encoding, megabytes = case["content_encoding"], min(case["expands_to_mb"], 40)
        server = serve(says(packed(megabytes, 15 if encoding == "deflate" else 31), Content_Encoding=encoding))
        if encoding in ("gzip", "x-gzip") and megabytes <= 32:
            assert len(reaching(server).get(server.url).content) == megabytes << 20
        else:
            with pytest.raises(Broken):
                reaching(server).get(server.url)


def test_endless_body_is_cut(serve: Callable[[Answer], Server]) -> None:
    def endless(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            caller.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")

    server = serve(endless)
    with pytest.raises(Broken, match="32 MB"):
        reaching(server).get(server.url)


def test_endless_headers_are_cut(serve: Callable[[Answer], Server]) -> None:
    def endless(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            caller.sendall(b"X-Flood: " + b"x" * 1000 + b"\r\n")

    server = serve(endless)
    with pytest.raises(Broken):
        reaching(server).get(server.url)


def test_endless_early_answers_are_cut(serve: Callable[[Answer], Server]) -> None:
    def endless(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        while True:
            caller.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 500)

    server = serve(endless)
    with pytest.raises(Trouble):
        reaching(server).get(server.url)


@pytest.mark.parametrize(
    "body", [b"not gzip at all", gzip.compress(b"x" * 9999)[:-20], gzip.compress(b"x" * 9999)[:30]]
)
def test_damaged_gzip_is_broken(body: bytes, serve: Callable[[Answer], Server]) -> None:
    server = serve(says(body, Content_Encoding="gzip"))
    with pytest.raises(Broken):
        reaching(server).get(server.url)


def test_gzip_in_several_members_and_with_padding(serve: Callable[[Answer], Server]) -> None:
    server = serve(says(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 8, Content_Encoding="gzip"))
    assert reaching(server).get(server.url).text == "one two"


# ── time and cuts ───────────────────────────────────────────────────────────────────────────────────────────────────


def drip(head: bytes, tail: bytes) -> Answer:
    def answer(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        caller.sendall(head)
        for i in range(len(tail)):
            time.sleep(0.1)
            caller.sendall(tail[i : i + 1])

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"", b"HTTP/1.1 200 OK\r\n" + b"x" * 1000),
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Slow: " + b"x" * 1000),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x" * 1000),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 200),
    ],
    ids=["status line", "headers", "body", "chunks"],
)
def test_a_byte_now_and_then_does_not_hold_us(
    answer: Answer, serve: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 1.0)
    server = serve(answer)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        reaching(server).get(server.url)
    assert time.monotonic() - began < 2


def test_one_deadline_for_all_hops(serve: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 1.0)

    def slow(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        time.sleep(0.45)
        chain(3)(caller, path, asked)

    server = serve(slow)
    with pytest.raises(Unreachable):
        reaching(server).get(server.url)


def test_silence_after_the_handshake_of_https(
    serve: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fetching._TIMEOUTS, "connect", 0.5)
    server = serve(lambda caller, path, asked: time.sleep(5))
    with pytest.raises(Unreachable):
        reaching(server).get(server.url.replace("http:", "https:"))


def reset(caller: socket.socket) -> None:
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("how", ["RST", "FIN"])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345678"])  # fmt: skip
def test_cut_answers_are_trouble(how: str, sent: bytes, serve: Callable[[Answer], Server]) -> None:
    def answer(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        caller.sendall(sent)
        if how == "RST":
            time.sleep(0.05)
            reset(caller)

    server = serve(answer)
    with pytest.raises((Broken, Unreachable)) as caught:
        reaching(server).get(server.url)
    assert caught.value.words
    assert caught.value.details


def test_header_faults_of_the_corpus_end_in_an_answer_or_in_trouble(serve: Callable[[Answer], Server]) -> None:
    heads = {
        "Content-Length and Transfer-Encoding": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length 2^63": b"Content-Length: 9223372036854775808\r\n",
        "Content-Type absent": b"",
        "Content-Type text/html on RSS": b"Content-Type: text/html\r\n",
        "ETag with newline": b'ETag: "a\r\n b"\r\n',
        "Last-Modified in 9999": b"Last-Modified: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
        "Location with newline": b"Location: http://a\r\n\tb/\r\n",
        "Location twice": b"Location: /a\r\nLocation: /b\r\n",
        "Link rel=next to itself": b'Link: </>; rel="next"\r\n',
        "304 with a body": b"Content-Length: 5\r\n",
    }
    for case in corpus("http-faults/cases.json"):
        if case["fault"] == "header":
            raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + heads[case["what"]] + b"\r\nhello"
            server = serve(lambda caller, path, asked, raw=raw: caller.sendall(raw))  # type: ignore[misc]
            with contextlib.suppress(Trouble):
                assert reaching(server).get(server.url).status_code == 200


def test_nobody_there_and_no_such_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable) as caught:
        client(Policy(frozenset({"127.0.0.1:9"}))).get("http://127.0.0.1:9/")
    assert isinstance(caught.value.__cause__, httpx.ConnectError)

    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match="could not be reached"):
        client(Policy()).get("http://no.such.test/")


# ── sending, sharing, politeness ────────────────────────────────────────────────────────────────────────────────────


def test_the_sender_can_tell_not_sent_from_unknown(serve: Callable[[Answer], Server]) -> None:
    with pytest.raises(httpx.ConnectError):
        sending_client(Policy(frozenset({"127.0.0.1:9"}))).post("http://127.0.0.1:9/")
    silent = serve(lambda caller, path, asked: None)
    with pytest.raises(httpx.RemoteProtocolError):
        sending_client(Policy(frozenset({silent.netloc}))).post(silent.url)
    with pytest.raises(Forbidden):
        sending_client(Policy()).post(silent.url)
    moved = serve(says(b"", "302 Found", Location=f"{silent.url}/login"))
    assert sending_client(Policy(frozenset({moved.netloc, silent.netloc}))).post(moved.url).status_code == 302
    assert silent.asked == ["/"]


def test_each_send_has_a_connection_of_its_own_and_polls_share_one(serve: Callable[[Answer], Server]) -> None:
    callers: list[Any] = []

    def answer(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        for _ in range(4):
            callers.append(caller.getpeername())
            caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if not caller.recv(65536):
                return

    server = serve(answer)
    http = sending_client(Policy(frozenset({server.netloc})))
    http.post(server.url)
    http.post(server.url)
    assert len(set(callers)) == 2
    callers.clear()
    for _ in range(3):
        with reaching(server) as short:  # closing a client must not close what others share
            short.get(server.url)
    assert len(set(callers)) == 1


def test_two_at_a_time_to_one_host_and_none_waits_for_another_host(serve: Callable[[Answer], Server]) -> None:
    now, most, lock = 0, 0, threading.Lock()

    def answer(caller: socket.socket, path: str, asked: dict[str, str]) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        says()(caller, path, asked)

    server = serve(answer)
    http = reaching(server)
    with ThreadPoolExecutor(16) as pool:
        assert [r.text for r in pool.map(http.get, [server.url] * 16)] == ["hello"] * 16
    assert most == 2


def test_certificates_are_checked(serve: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fetching._TIMEOUTS, "connect", 0.5)
    assert fetching._tls().verify_mode == ssl.CERT_REQUIRED
    assert fetching._tls().check_hostname
    server = serve(says())
    with pytest.raises(Unreachable):
        reaching(server).get(server.url.replace("http:", "https:"))


# ── when to come back ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("0", 1.0), ("-5", 1.0), ("999999999", 21600.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 21600.0),
     ("Fri, 20 Nov 2026 12:05:00 GMT", 300.0), ("soon", None), ("", None), ("9" * 400, None), ("1e9", None)],
)  # fmt: skip
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(httpx.Headers({"Retry-After": value}), NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Cache-Control": "public, max-age=600"}, 600.0), ({"Cache-Control": "max-age=99999999"}, 21600.0),
     ({"Cache-Control": "no-cache"}, None), ({"Cache-Control": "max-age=0", "Expires": "later"}, None),
     ({"Expires": "Fri, 20 Nov 2026 12:10:00 GMT"}, 600.0), ({"Expires": "-1"}, None), ({}, None)],
)  # fmt: skip
def test_freshness(headers: dict[str, str], seconds: float | None) -> None:
    assert freshness(httpx.Headers(headers), NOW) == seconds
    assert freshness(httpx.Headers(headers), NOW - timedelta(days=1)) in (None, seconds, 21600.0)
