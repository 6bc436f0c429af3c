"""Replies go out while everything breaks: a far side that lies over real HTTP, senders that are killed, Redis emptied.

What the network really published is compared with our rows when all is at rest. The waits are the product's own, scaled
by ASCOLTO_TIME_SCALE (`make test` takes a twentieth, `make faults` the full ones).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as product
from django.db import connection
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry
from config.services import Services
from conversations import outbox
from conversations.models import Message, Reply, Spell, Thread
from conversations.tasks import send_due
from listening.connectors.contract import Item
from listening.models import Account
from tests.cast import Cast, account_of, as_staff, hear, item, source_of
from tests.conversations.far_side import (
    WELL,
    Act,
    Answer,
    Character,
    FarSide,
    confirm_without,
    half,
    half_a_head,
    keep_silent,
    linger,
    refuse,
    reset,
    say,
)
from tests.conversations.mortal import POINTS

pytestmark = pytest.mark.django_db(transaction=True)

SCALE = product.TIME_SCALE
LONGEST = (outbox.LOOKS[-1] + 4 * outbox.LEASE).total_seconds() * SCALE + 90
"""Seconds in which every reply comes to rest, on a busy machine too."""
RESTING = (Reply.State.SENT, Reply.State.FAILED, Reply.State.NEEDS_PERSON, Reply.State.HELD, Reply.State.CANCELLED)
SENDS = 2
"""For each moment at which a sender may die, with keys and without."""
SENT, FAILED, HELD, ASKED = "sent", "failed", "held", "needs_person"


# ── the faults, and what a reply comes to ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Case:
    name: str
    acts: Sequence[Act]
    with_keys: str
    without: str
    lag: float = 0.0
    locked_out: bool = False


def kept(name: str, answer: Answer, **how: Any) -> Case:
    """Published, whatever was answered: it is found."""
    return Case(f"{name}, published", [Act(True, answer)], SENT, how.pop("without", SENT), **how)


def lost(name: str, answer: Answer, with_keys: str = SENT, without: str = ASKED, **how: Any) -> Case:
    """Not published: sent again with a key, else a person is asked; or refused."""
    return Case(f"{name}, not published", [Act(False, answer)], with_keys, without, **how)


def refused(name: str, answer: Answer, state: str = FAILED, **how: Any) -> Case:
    return lost(name, answer, state, state, **how)


SILENCE = keep_silent(max(45 * SCALE, 1))
HTML = say(200, b"<!doctype html><title>Back soon</title>", "Content-Type: text/html")
LOGIN = say(302, b"", "Location: /auth/sign_in")
NEVER = float("inf")


def until(form: str) -> str:
    moment = time.time() + 3
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    return f"X-RateLimit-Reset: {iso if form == 'iso' else int(moment)}"


CASES = [
    Case("well", [WELL], SENT, SENT),
    kept("silence", SILENCE),
    lost("silence", SILENCE),
    kept("dropped", reset),
    lost("dropped", reset),
    kept("half a head", half_a_head),
    kept("half a body", half),
    lost("half a body", half),
    kept("html", HTML),
    kept("empty", say(200, b"")),
    kept("without id", confirm_without("id")),
    kept("number for an id", confirm_without("id", id=17)),
    kept("astray", confirm_without("in_reply_to_id")),
    kept("error 500", say(500, b"<h1>Sorry</h1>")),
    lost("error 500", say(500, b"<h1>Sorry</h1>")),
    kept("error 503", refuse(503, "Later", "Retry-After: 1")),
    lost("error 503", refuse(503, "Later", "Retry-After: 1")),
    lost("busy", refuse(429), SENT, SENT),
    lost("busy, wait 1", refuse(429, "Slow", "Retry-After: 1"), SENT, SENT),
    lost("busy, wait -5", refuse(429, "Slow", "Retry-After: -5"), SENT, SENT),
    lost("busy, wait soon", refuse(429, "Slow", "Retry-After: soon"), SENT, SENT),
    lost("busy until, iso", refuse(429, "Slow", until("iso")), SENT, SENT),
    lost("busy until, epoch", refuse(429, "Slow", until("epoch")), SENT, SENT),
    Case("always busy", [Act(False, refuse(429, "Slow", "Retry-After: 1"))] * 9, FAILED, FAILED),
    refused("bad request", refuse(400)),
    refused("token revoked", refuse(401), HELD, locked_out=True),
    refused("not allowed", refuse(403)),
    refused("parent gone", refuse(404)),
    refused("too long", refuse(422)),
    lost("refused in html", say(422, b"<h1>No</h1>")),
    Case("lost, then busy", [Act(False, reset), Act(False, refuse(429, "", "Retry-After: 1"))], SENT, ASKED),
    Case("out and unseen, then refused", [Act(True, reset), Act(True, refuse(422))], SENT, ASKED, lag=NEVER),
    Case("out and unseen", [Act(True, reset)], SENT, ASKED, lag=NEVER),
    Case("always broken", [Act(False, reset)] * 9, ASKED, ASKED),
]


def corpus() -> list[Case]:
    """What http-faults says a far side may do to a send."""
    file = Path(product.SHARED_DIR) / "corpora" / "http-faults" / "cases.json"
    if not file.exists():
        assert os.environ.get("CI") != "true", f"{file} is missing"
        return []
    faults = [fault for fault in json.loads(file.read_text()) if fault["fault"] == "send_answer"]
    return [acted_out(f"corpus {number}", fault["what"], fault["really_posted"]) for number, fault in enumerate(faults)]


CORPUS: dict[str, Answer] = {
    "timeout before headers": SILENCE,
    "RST after request read": reset,
    "200 with cut JSON": half,
    "200 with empty body": say(200, b""),
    "200 with HTML": HTML,
    "200 with another id shape": confirm_without("id", id={"value": 17}),
    "201 without id": confirm_without("id", 201),
    "202 accepted then visible after 90 s": say(202, {}),
    "400": refuse(400),
    "401": refuse(401),
    '403 with "action blocked"': refuse(403, "action blocked"),
    "404 parent gone": refuse(404, "Record not found"),
    "409 duplicate": refuse(409, "duplicate"),
    "422 duplicate text": refuse(422, "duplicate"),
    "429": refuse(429),
    "500": say(500, b"<h1>Sorry</h1>"),
    "502": say(502, b"<h1>Bad gateway</h1>"),
    "503": say(503, b"<h1>Unavailable</h1>"),
    "504": say(504, b"<h1>Timeout</h1>"),
    "redirect 302 to login": LOGIN,
    "redirect 307 to self": say(307, b"", "Location: /api/v1/statuses"),
}
REFUSALS = {"400": FAILED, "401": HELD, "404 parent gone": FAILED}


def acted_out(name: str, what: str, posted: bool) -> Case:
    name = f"{name}, {what}"
    if what == "500 on retry with the same key":
        return Case(name, [Act(posted, SILENCE), Act(posted, say(500, b""))], SENT, ASKED)
    if what == "second request 200 with the first id":
        return Case(name, [Act(posted, SILENCE)], SENT, SENT if posted else ASKED)
    if what == "list of own posts omits it for ever":
        return Case(name, [Act(posted, SILENCE)], SENT, ASKED, lag=NEVER)
    if posted:
        return kept(name, CORPUS[what], lag=90 * SCALE if what.startswith("202") else 0.0)
    if what == "429":
        return lost(name, CORPUS[what], SENT, SENT)
    return refused(name, CORPUS[what], REFUSALS[what]) if what in REFUSALS else lost(name, CORPUS[what])


# ── people write, processes send ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def far_side(settings: Any) -> Iterator[FarSide]:
    running = FarSide()
    settings.ALLOW_ADDRESSES = [running.place]
    settings.UNDO_SECONDS = 0
    yield running
    running.stop()


@dataclass
class Senders:
    """Celery workers of the sender, each with its children in a process group of its own."""

    environment: dict[str, str]
    log: Path
    running: list[subprocess.Popen[bytes]]

    def start(self, children: int = 3) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "tests.conversations.mortal", "worker", "-Q", "send"]
        command += ["-c", str(children), "-n", f"{uuid.uuid4()}@%h", "-l", "WARNING"]
        command += ["--without-gossip", "--without-mingle"]
        with self.log.open("ab") as output:
            worker = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self.running.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.running.remove(worker)


@pytest.fixture
def senders(far_side: FarSide, environment_of: Callable[[str], dict[str, str]], tmp_path: Path) -> Iterator[Senders]:
    graves = tmp_path / "graves"
    graves.mkdir()
    told = {"ASCOLTO_ALLOW_ADDRESSES": far_side.place, "ASCOLTO_GRAVES": str(graves), "ASCOLTO_TIME_SCALE": str(SCALE)}
    senders = Senders(environment_of("sender") | told, tmp_path / "senders.log", [])
    yield senders
    for worker in list(senders.running):
        senders.kill(worker)
    print(senders.log.read_text()[-20_000:])  # shown when the test failed


class Desk:
    """Marta answers a customer through an account of its own for each reply, so that each meets its own fault."""

    def __init__(self, cast: Cast, far_side: FarSide) -> None:
        self.cast, self.far_side = cast, far_side
        self.source = source_of(cast.nivalta, "mastodon", address="mentions", own_place=True)

    def asked(self, name: str) -> Item:
        remote = {"id": f"parent-of-{name}", "instance": self.far_side.url, "acct": "passolento"}
        return item(name, "Is Nivalta listening?", conversation_key=name, remote=remote, to_us=True)

    def account(self, name: str, character: Character) -> Account:
        self.far_side.characters[name] = character
        facts: dict[str, Any] = {"max_characters": 500, "url_characters": 23, "key_seconds": 3000}
        facts |= {"keys": "honoured" if character.keys else "ignored", "base_url": self.far_side.url}
        return account_of(self.cast.nivalta, self.far_side.url, name, f"@{name}", remote_id=name, facts=facts)

    def answers(self, characters: dict[str, Character]) -> list[Reply]:
        """One customer for each account; all of them are answered."""
        hear(self.source, *map(self.asked, characters))
        return [self.answer(name, character) for name, character in characters.items()]

    def answer(self, name: str, character: Character) -> Reply:
        account, thread = self.account(name, character), Thread.objects.get(root_key=name)
        with as_staff(self.cast.marta):
            return outbox.submit(
                thread, self.cast.marta, f"We are: {name}", thread.version, uuid.uuid4(), timezone.now(), account
            )


@pytest.fixture
def desk(cast: Cast, far_side: FarSide) -> Desk:
    return Desk(cast, far_side)


def rest(
    replies: Sequence[Reply], *, each_second: Callable[[int], None] = lambda _: None, longest: float = LONGEST
) -> None:
    """Rings, as beat does, until every reply is at rest."""
    pks, start = [reply.pk for reply in replies], time.monotonic()
    second = 0
    while Reply.objects.filter(pk__in=pks).exclude(state__in=RESTING).exists():
        assert time.monotonic() - start < longest, list(
            Reply.objects.filter(pk__in=pks).exclude(state__in=RESTING).values_list("account__remote_id", "state")
        )
        for _ in range(4):
            send_due.apply_async(expires=5)
        each_second(second)
        second += 1
        time.sleep(1)


def agrees(reply: Reply, far_side: FarSide) -> None:
    """What the network published and what our rows say are one and the same."""
    reply.refresh_from_db()
    assert reply.account is not None
    out = far_side.published(reply.account.remote_id)
    about = (reply.account.remote_id, reply.state, reply.reason, list(reply.tries.values_list("kind", "outcome")))
    assert len(out) <= 1, about
    assert reply.text == f"We are: {reply.account.remote_id}", about
    if reply.state == Reply.State.SENT:
        assert [far_side.status(post)["uri"] for post in out] == [reply.remote_id], about
        message = Message.objects.get(reply=reply)
        assert Spell.objects.get(thread=reply.thread_id, answered_by=message).outcome == "answered", about
    else:
        assert Spell.objects.get(thread=reply.thread_id).outcome == "open", about
    if reply.state in (Reply.State.FAILED, Reply.State.HELD):
        assert out == [], about
    trail = AuditEntry.objects.filter(object_type="reply", object_id=reply.pk).order_by("id")
    moves = [(entry.meta["before"], entry.action.removeprefix("reply.")) for entry in trail]
    assert all(move in outbox.MOVES for move in moves), about
    assert [before for before, _ in moves] == ["draft", *(after for _, after in moves[:-1])], about
    assert moves[-1][1] == reply.state, about


def slug(name: str, keys: bool) -> str:
    kind = "keys" if keys else "none"
    return f"{kind}-{''.join(c if c.isalnum() else '-' for c in name.lower())}"


# ── the suite ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_never_twice_never_lost_never_sent_that_is_not_out(
    desk: Desk, far_side: FarSide, senders: Senders, services: Services
) -> None:
    """Every fault of the far side, and every moment at which a sender can die, at once: six processes, tasks that
    come many times, a worker killed with all its children, and Redis emptied in the middle."""
    expected: dict[str, str] = {}
    characters: dict[str, Character] = {}
    for keys in (True, False):
        for case in [*CASES, *corpus()]:
            name = slug(case.name, keys)
            characters[name] = Character(case.acts, keys, case.lag, case.locked_out)
            expected[name] = case.with_keys if keys else case.without
        for point, number in itertools.product(POINTS, range(SENDS)):
            name = f"{slug(str(number), keys)}@{point}"
            characters[name] = mortal(point, number, keys)
            expected[name] = dying(point, number, keys)
    replies = desk.answers(characters)
    doomed = senders.start()
    senders.start()

    def disturb(second: int) -> None:
        if second == 6:
            redis.Redis.from_url(services.urls["redis"]).flushall()
        if second == 8:
            senders.kill(doomed)
            senders.start()
        if second % 10 == 0:
            for _ in range(20):
                send_due.apply_async(expires=5)

    rest(replies, each_second=disturb)
    for reply in replies:
        agrees(reply, far_side)
    states = {reply.account.remote_id: reply.state for reply in replies if reply.account}
    for reply in replies:  # on a busy machine half a second may be too short for a plain no: then it is unknown, fairly
        if reply.account and expected[name := reply.account.remote_id] != states[name] and too_slow(reply, name):
            states.pop(name)
            expected.pop(name)
    wrong = [f"{name}: {states[name]}, not {state}" for name, state in expected.items() if states[name] != state]
    assert not wrong, "\n".join(wrong)
    died = {path.name for path in Path(senders.environment["ASCOLTO_GRAVES"]).iterdir()}
    assert {name.partition("@")[2] for name in died} == set(POINTS)
    assert audit.first_bad_entry() is None


def too_slow(reply: Reply, name: str) -> bool:
    plain = ("busy", "bad-request", "token-revoked", "not-allowed", "parent-gone", "too-long", "-40", "-42")
    return SCALE < 1 and any(no in name for no in plain) and reply.tries.filter(outcome="unknown").exists()


LOOKING = ("looking", "looked", "resending")


def mortal(point: str, number: int, keys: bool) -> Character:
    """Who dies while looking must have something to look for: every other one is out already."""
    first = [Act(number % 2 == 0, reset)] if point in LOOKING and point != "resending" else []
    return Character([Act(False, reset)] if point == "resending" else first, keys)


def dying(point: str, number: int, keys: bool) -> str:
    """Without keys a person is asked exactly where the words had not wholly left."""
    nothing_out = point in ("claimed", "half-written", "resending") or (point in LOOKING and number % 2)
    return ASKED if nothing_out and not keys else SENT


def test_the_database_restarts_while_replies_leave(
    desk: Desk, far_side: FarSide, senders: Senders, services: Services
) -> None:
    """PostgreSQL falls (SIGQUIT, as a crash) in the middle of slow sends, and comes back."""
    postgres = next((server for server in services.servers if server.name == "postgres"), None)
    if postgres is None or postgres.process is None:
        pytest.skip("the database is not ours to restart")
    replies = desk.answers({f"slow-{n}": Character([Act(True, linger(0.2))]) for n in range(12)})
    senders.start()
    end = time.monotonic() + 60
    while not far_side.posts and time.monotonic() < end:
        send_due.apply_async(expires=5)
        time.sleep(0.1)
    connection.close()
    postgres.process.send_signal(signal.SIGQUIT)
    postgres.process.wait()
    assert services.mend() == ["postgres"]
    rest(replies)
    for reply in replies:
        agrees(reply, far_side)
    assert {reply.state for reply in replies} == {"sent"}
