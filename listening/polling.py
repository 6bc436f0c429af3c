"""Which sources are due, and what happens to them: claim a batch, fetch it at once, store it as it comes.

The schedule is the table of sources itself. A claim is a lease with an end, taken by the database's clock, so that any
number of workers share the sources and a killed one loses nothing but time.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Lock

from django.db import DatabaseError, connection
from django.utils import timezone

from accounts.binding import bound
from listening import coverage, credentials, ingest, voice
from listening.connectors import REGISTER
from listening.connectors.contract import Broken, Heard, Place, Throttled, Trouble, World, gettext_noop
from listening.models import Account, Coverage, Fetch, Source
from listening.text import storable, storable_id

log = logging.getLogger("ascolto.polling")
JITTER = random.SystemRandom()

BATCH = 200
LEASE = 120
"""Seconds."""
RENEW_AFTER = 40.0
"""Seconds: the leases of what still waits for its turn are prolonged, so that only a dead worker loses them."""
AT_ONCE = 16
"""Sources fetched at the same time in one worker."""
STORE_AFTER = 3.0
"""Seconds: what is ready is stored, so that a slow source delays nobody."""
STORE_AT = 64
STINT = 30.0
"""Seconds for which one call goes on claiming: a worker has other things to do, and must say that it lives."""
LONGEST_BACKOFF = 6 * 3600.0
SLOWEST_WATCH = 1800.0
"""Seconds: a conversation that nobody continues is looked at this often."""
MOVES_BELIEVED = 3
"""A permanent redirect is stored after so many equal answers in a row."""
LONGEST_ADDRESS = 2000
GONE_SLOWLY = 24 * 3600.0
DATABASE_BACK = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries to store while the database is away."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a poll came to, for whoever asked by hand."""

    source: Source
    outcome: str
    items: int
    mentions: int
    seconds: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    source: Source
    heard: Heard | None
    trouble: Trouble | None
    seconds: float


def poll_due() -> int:
    """Polls what is due, and what becomes due meanwhile; gives how many sources were polled."""
    end = time.monotonic() + STINT
    return sum(1 for _ in poll([], more=lambda: claim(BATCH) if time.monotonic() < end else []))


def claim(limit: int, only: Sequence[int] | None = None) -> list[Source]:
    """Takes due sources (or exactly `only`, due or not) that are active and that nobody else holds."""
    which = "id = ANY (%(only)s)" if only is not None else "next_poll_at <= clock_timestamp()"
    with bound("poller"):
        return list(
            Source.objects.raw(
                f"""UPDATE listening_source
                    SET lease_until = clock_timestamp() + interval '{LEASE} seconds', lease_token = %(token)s
                    WHERE id IN (SELECT id FROM listening_source
                                 WHERE {which} AND state = 'active' AND kind = ANY (%(kinds)s)
                                 AND (lease_until IS NULL OR lease_until < clock_timestamp())
                                 ORDER BY next_poll_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
                    RETURNING *""",
                {
                    "token": uuid.uuid4(),
                    "limit": limit,
                    "only": list(only or ()),
                    "kinds": list(REGISTER),
                },
            )
        )


def poll(sources: Sequence[Source], more: Callable[[], Sequence[Source]] = lambda: ()) -> Iterator[Result]:
    """Fetches the claimed sources at once and stores what they say as it comes. `more` is asked for further ones as
    soon as hands are free, so that a slow source keeps nobody waiting."""
    world, memory = voice.world(), _Memory()
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="poll")
    waiting: dict[Future[_Answer], Source] = {}
    ready: list[_Answer] = []
    stored = renewed = time.monotonic()
    sources = sources or more()
    try:
        while sources or waiting:
            places = _places(sources, memory)
            waiting |= {pool.submit(_hear, source, places[source.pk], world): source for source in sources}
            done, _ = wait(waiting, timeout=STORE_AFTER, return_when=FIRST_COMPLETED)
            ready += [future.result() for future in done]
            waiting = {future: source for future, source in waiting.items() if future not in done}
            if ready and (not waiting or len(ready) >= STORE_AT or time.monotonic() - stored > STORE_AFTER):
                with memory.lock:
                    results = _store(ready)
                yield from results
                ready, stored = [], time.monotonic()
            if waiting and time.monotonic() - renewed > RENEW_AFTER:
                with memory.lock:
                    _renew(list(waiting.values()))
                renewed = time.monotonic()
            with memory.lock:
                sources = more() if len(waiting) < AT_ONCE else ()
    finally:
        pool.shutdown(cancel_futures=True)
        memory.close()


def _renew(sources: Sequence[Source]) -> None:
    """A source whose lease was lost has another token by now, and stays with whoever took it."""
    tokens = {source.lease_token for source in sources}
    with bound("poller"), connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE listening_source SET lease_until = clock_timestamp() + interval '{LEASE} seconds'
                WHERE id = ANY (%s) AND lease_token = ANY (%s::uuid[])""",
            [[source.pk for source in sources], [str(token) for token in tokens]],
        )


class _Memory:
    """What connectors may ask while they read: which ids are stored. Their threads share this worker's connection, one
    at a time, and never in the middle of a batch that is being stored."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._connection = connection
        self._connection.inc_thread_sharing()

    def known(self, scope: str, ids: Sequence[str]) -> set[str]:
        stored_as = {each: storable_id(each) for each in ids}
        with self.lock, self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT external_id FROM listening_item WHERE scope = %s AND external_id = ANY (%s)",
                [scope, list(stored_as.values())],
            )
            held = {external_id for (external_id,) in cursor.fetchall()}
        return {each for each, stored in stored_as.items() if stored in held}

    def close(self) -> None:
        self._connection.dec_thread_sharing()


def _hear(source: Source, place: Place, world: World) -> _Answer:
    """One connector's poll; whatever it raises becomes words, never the end of the batch."""
    began = time.monotonic()
    heard: Heard | None = None
    trouble: Trouble | None = None
    try:
        heard = REGISTER[source.kind].poll(place, source.cursor, world)
    except Trouble as known:
        trouble = known
    except Exception as error:
        log.exception("source %s: the connector %s failed", source.pk, source.kind)
        trouble = Broken(
            "Ascolto could not read what came from here. It tries again later; please report it.",
            details=f"{type(error).__name__}: {error}",
        )
    return _Answer(source, heard, trouble, time.monotonic() - began)


def _places(sources: Sequence[Source], memory: _Memory) -> dict[int, Place]:
    """The sources as connectors know them, with the credential of their account."""
    with memory.lock, bound("poller"):
        wanted = {source.account_id for source in sources} - {None}
        accounts = Account.objects.in_bulk(wanted) if wanted else {}
        tokens = {account_id: _token(account) for account_id, account in accounts.items()}
    return {
        source.pk: Place(
            address=source.address,
            base_url=source.base_url,
            token=tokens.get(source.account_id, ""),
            account_id=accounts[source.account_id].remote_id if source.account_id else "",
            known_ids=partial(memory.known, ingest.scope_of(source)),
        )
        for source in sources
    }


def _token(account: Account) -> str:
    try:
        return credentials.reveal(account)
    except credentials.NoKey as error:
        log.error("%s", error)
        return ""


# ── what becomes of a source ────────────────────────────────────────────────────────────────────────────────────────


UNSTORABLE = gettext_noop("What came from here could not be stored. It is tried again later; please report it.")


def _store(answers: Sequence[_Answer]) -> list[Result]:
    """Stores what was heard; gives nothing for a source that another worker took over. A source of which nothing can be
    stored is in trouble like any other."""
    now = timezone.now()
    by_source = {answer.source.pk: answer for answer in answers}
    brought = _when_the_database_is_there(by_source, now)
    refused = {
        pk: replace(by_source[pk], heard=None, trouble=Broken(UNSTORABLE, details=stored.refused))
        for pk, stored in brought.items()
        if stored.refused
    }
    if refused:
        by_source |= refused
        brought |= _when_the_database_is_there(refused, now)
    return [_result(by_source[pk], stored) for pk, stored in brought.items()]


def _when_the_database_is_there(answers: Mapping[int, _Answer], now: datetime) -> dict[int, ingest.Stored]:
    """Waits for a database that restarts: what was heard is in our hands meanwhile."""
    polls = [_heard(answer, now) for answer in answers.values()]

    def note(brought: Mapping[int, ingest.Stored]) -> None:
        _note([(answers[pk], _result(answers[pk], stored)) for pk, stored in brought.items()], now)

    for pause in DATABASE_BACK:
        try:
            return ingest.store(polls, now, note)
        except DatabaseError as error:
            log.warning("the database is away (%s); tried again in %s s", type(error).__name__, pause)
            connection.close()
            time.sleep(pause)
    return ingest.store(polls, now, note)


def _heard(answer: _Answer, now: datetime) -> ingest.Poll:
    source, heard = answer.source, answer.heard
    token = source.lease_token or uuid.uuid4()
    if heard is None:
        return ingest.Poll(source, token, Heard(cursor=source.cursor), after_trouble(source, answer.trouble, now))
    after = after_success(source, heard, now)
    return ingest.Poll(source, token, heard, after, after_news=_rhythm(source, heard, now, news=True))


def after_success(source: Source, heard: Heard, now: datetime) -> dict[str, object]:
    """How a source stands after it answered, if it brought no news."""
    moved_to = heard.moved_to if _may_move(source, heard.moved_to) else ""
    moved_times = source.moved_times + 1 if moved_to and moved_to == source.moved_to else int(bool(moved_to))
    believed = moved_times >= MOVES_BELIEVED
    return {
        "cursor": heard.cursor,
        "failures": 0,
        "last_attempt_at": now,
        "last_success_at": now,
        "trouble_code": "",
        "trouble_words": "",
        "trouble_details": "",
        "moved_to": "" if believed else moved_to,
        "moved_times": 0 if believed else moved_times,
        "address": moved_to if believed else source.address,
        **_rhythm(source, heard, now, news=False),
    }


def _may_move(source: Source, address: str) -> bool:
    """A place that can be asked by this connector. It answered just now, so the guard has let it pass."""
    if not address or address == source.address or len(address) > LONGEST_ADDRESS:
        return False
    try:
        REGISTER[source.kind].describe(address)
    except ValueError:
        return False
    return True


def _rhythm(source: Source, heard: Heard, now: datetime, *, news: bool) -> dict[str, object]:
    interval = next_interval(source, news, heard.wait)
    return {
        "interval": interval,
        "next_poll_at": now + timedelta(seconds=interval * JITTER.uniform(0.95, 1.05)),
        "last_item_at": now if news else source.last_item_at,
    }


def next_interval(source: Source, news: bool, wait_for: float | None) -> float:
    """The source's own rhythm: quicker after news, slower after silence, within the connector's bounds; never quicker
    than the server asks (max-age, ttl), as long as that is bearable."""
    if source.steady:
        return source.interval
    ear = REGISTER[source.kind]
    slowest = max(ear.slowest, SLOWEST_WATCH) if source.warm_until else ear.slowest
    own = source.interval * (0.7 if news else 1.25)
    return min(max(own, ear.fastest, wait_for or 0), slowest)


def after_trouble(source: Source, trouble: Trouble | None, now: datetime) -> dict[str, object]:
    """How a source stands after trouble: tried again later and later, with jitter; never switched off in silence."""
    assert trouble is not None
    failures = source.failures + 1
    backoff = min(max(source.interval, 30.0) * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
    if trouble.status == 410:
        backoff = GONE_SLOWLY
    if trouble.wait is None:
        delay = min(backoff * JITTER.uniform(0.8, 1.2), max(LONGEST_BACKOFF, backoff))
    else:  # as the server says, but no sooner than without trouble
        delay = max(min(trouble.wait, LONGEST_BACKOFF), source.interval)
    return {
        "failures": failures,
        "next_poll_at": now + timedelta(seconds=delay),
        "last_attempt_at": now,
        "trouble_code": trouble.code,
        "trouble_words": storable(trouble.words)[:500],
        "trouble_details": storable(trouble.details)[:1000],
    }


def _result(answer: _Answer, stored: ingest.Stored) -> Result:
    if answer.heard is not None:
        outcome = Coverage.Status.CHECKED if answer.heard.complete else Coverage.Status.PARTIAL
        return Result(answer.source, outcome, stored.items, stored.mentions, answer.seconds)
    throttled = isinstance(answer.trouble, Throttled)
    outcome = Coverage.Status.THROTTLED if throttled else Coverage.Status.FAILED
    return Result(answer.source, outcome, 0, 0, answer.seconds, answer.trouble.words if answer.trouble else "")


def _note(results: Sequence[tuple[_Answer, Result]], now: datetime) -> None:
    """The ledger of hours, and the last fetches of each source."""
    coverage.note([coverage.Ear(r.source.pk, r.outcome, _last_heard(r.source), now) for _, r in results])
    Fetch.objects.bulk_create(
        Fetch(
            source_id=result.source.pk,
            at=now,
            outcome=result.outcome,
            unchanged=bool(answer.heard and answer.heard.unchanged),
            status=answer.heard.status if answer.heard else answer.trouble.status if answer.trouble else None,
            items=result.items,
            mentions=result.mentions,
            seconds=round(result.seconds, 3),
            words=storable(result.words)[:500],
        )
        for answer, result in results
    )


def _last_heard(source: Source) -> datetime | None:
    return source.last_success_at or source.last_attempt_at
