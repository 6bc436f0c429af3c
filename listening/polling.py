"""Which sources are due, and what happens to them: claim a batch, fetch it at once, store it as it comes.

The schedule is the table of sources itself. A claim is a lease with an end, taken by the database's clock, so that any
number of workers share the sources and a killed one loses nothing but time.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Lock

from django.db import connection
from django.utils import timezone

from accounts.binding import bound
from listening import coverage, credentials, ingest, voice
from listening.connectors import REGISTER
from listening.connectors.contract import Broken, Heard, Place, Throttled, Trouble, World
from listening.models import Coverage, Fetch, Source

log = logging.getLogger("ascolto.polling")
JITTER = random.SystemRandom()

BATCH = 200
LEASE = timedelta(seconds=120)
AT_ONCE = 16
"""Sources fetched at the same time in one worker."""
STORE_AFTER = 3.0
"""Seconds: what is ready is stored, so that a slow source delays nobody."""
STORE_AT = 64
LONGEST_BACKOFF = 6 * 3600.0
MOVES_BELIEVED = 3
"""A permanent redirect is stored after so many equal answers in a row."""
GONE_SLOWLY = 24 * 3600.0


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


def poll_due(now: datetime, *, batches: int = 10) -> int:
    """Polls what is due, batch after batch; gives how many sources were polled."""
    total = 0
    for _ in range(batches):
        sources = claim(BATCH)
        if not sources:
            break
        total += sum(1 for _ in poll(sources))
    return total


def claim(limit: int, only: Sequence[int] | None = None) -> list[Source]:
    """Takes due sources (or exactly `only`, due or not) that nobody else holds."""
    token = uuid.uuid4()
    with bound("poller"):
        condition = (
            "id = ANY (%(only)s)" if only is not None else "state = 'active' AND next_poll_at <= clock_timestamp()"
        )
        return list(
            Source.objects.raw(
                f"""UPDATE listening_source SET lease_until = clock_timestamp() + %(lease)s, lease_token = %(token)s
                    WHERE id IN (SELECT id FROM listening_source WHERE {condition}
                                 AND (lease_until IS NULL OR lease_until < clock_timestamp())
                                 ORDER BY next_poll_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
                    RETURNING *""",
                {"lease": LEASE, "token": token, "limit": limit, "only": list(only or ())},
            )
        )


def poll(sources: Sequence[Source]) -> Iterator[Result]:
    """Fetches the claimed sources at once and stores what they say as it comes."""
    places = _places(sources)
    world = voice.world()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="poll") as pool:
        waiting = {pool.submit(_hear, source, places[source.pk], world) for source in sources}
        ready: list[_Answer] = []
        last = time.monotonic()
        while waiting:
            done, waiting = wait(waiting, timeout=STORE_AFTER, return_when=FIRST_COMPLETED)
            ready += [future.result() for future in done]
            if ready and (not waiting or len(ready) >= STORE_AT or time.monotonic() - last > STORE_AFTER):
                yield from _store(ready)
                ready, last = [], time.monotonic()


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


def _places(sources: Sequence[Source]) -> dict[int, Place]:
    """The sources as connectors know them, with the credential of their account."""
    main, lock = connection, Lock()
    main.inc_thread_sharing()

    def known(scope: str, ids: Sequence[str]) -> set[str]:
        with lock, main.cursor() as cursor:
            cursor.execute(
                "SELECT external_id FROM listening_item WHERE scope = %s AND external_id = ANY (%s)", [scope, list(ids)]
            )
            return {external_id for (external_id,) in cursor.fetchall()}

    with bound("poller"):
        accounts = {
            s.account_id: s.account
            for s in Source.objects.filter(pk__in=[s.pk for s in sources]).select_related("account")
            if s.account
        }
        tokens = {account_id: _token(account) for account_id, account in accounts.items()}
    return {
        source.pk: Place(
            address=source.address,
            base_url=source.base_url,
            token=tokens.get(source.account_id, ""),
            account_id=accounts[source.account_id].remote_id if source.account_id else "",
            known_ids=partial(known, REGISTER[source.kind].network or f"source:{source.pk}"),
        )
        for source in sources
    }


def _token(account: object) -> str:
    try:
        return credentials.reveal(account)  # type: ignore[arg-type]
    except credentials.NoKey as error:
        log.error("%s", error)
        return ""


# ── what becomes of a source ────────────────────────────────────────────────────────────────────────────────────────


def _store(answers: Sequence[_Answer]) -> list[Result]:
    now = timezone.now()
    polls = [
        ingest.Poll(
            answer.source,
            answer.source.lease_token or uuid.uuid4(),
            answer.heard or Heard(cursor=answer.source.cursor),
            after_success(answer.source, answer.heard, now)
            if answer.heard
            else after_trouble(answer.source, answer.trouble, now),
        )
        for answer in answers
    ]
    stored = ingest.store(polls, now)
    results = [_result(answer, stored.get(answer.source.pk, ingest.Stored())) for answer in answers]
    _note(results, answers, now)
    return results


def after_success(source: Source, heard: Heard, now: datetime) -> dict[str, object]:
    """How a source stands after it answered."""
    interval = next_interval(source, bool(heard.items), heard.wait)
    moved_times = (
        source.moved_times + 1 if heard.moved_to and heard.moved_to == source.moved_to else int(bool(heard.moved_to))
    )
    believed = moved_times >= MOVES_BELIEVED
    return {
        "cursor": heard.cursor,
        "interval": interval,
        "next_poll_at": now + timedelta(seconds=interval * JITTER.uniform(0.95, 1.05)),
        "failures": 0,
        "last_attempt_at": now,
        "last_success_at": now,
        "last_item_at": now if heard.items else source.last_item_at,
        "trouble_code": "",
        "trouble_words": "",
        "trouble_details": "",
        "moved_to": "" if believed else heard.moved_to,
        "moved_times": 0 if believed else moved_times,
        "address": heard.moved_to if believed else source.address,
    }


def next_interval(source: Source, news: bool, wait_for: float | None) -> float:
    """The source's own rhythm: quicker after news, slower after silence, within the connector's bounds; never quicker
    than the server asks (max-age, ttl), as long as that is bearable."""
    if source.steady:
        return source.interval
    ear = REGISTER[source.kind]
    own = source.interval * (0.7 if news else 1.25)
    return min(max(own, ear.fastest, wait_for or 0), ear.slowest)


def after_trouble(source: Source, trouble: Trouble | None, now: datetime) -> dict[str, object]:
    """How a source stands after trouble: tried again later and later, with jitter; never switched off in silence."""
    assert trouble is not None
    failures = source.failures + 1
    backoff = min(max(source.interval, 30.0) * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
    if trouble.status == 410:
        backoff = GONE_SLOWLY
    delay = max(trouble.wait, 1.0) if trouble.wait is not None else backoff * JITTER.uniform(0.8, 1.2)
    return {
        "failures": failures,
        "next_poll_at": now + timedelta(seconds=delay),
        "last_attempt_at": now,
        "trouble_code": trouble.code,
        "trouble_words": trouble.words[:500],
        "trouble_details": trouble.details[:1000],
    }


def _result(answer: _Answer, stored: ingest.Stored) -> Result:
    if answer.heard is not None:
        outcome = Coverage.Status.CHECKED if answer.heard.complete else Coverage.Status.PARTIAL
        return Result(answer.source, outcome, stored.items, stored.mentions, answer.seconds)
    throttled = isinstance(answer.trouble, Throttled)
    outcome = Coverage.Status.THROTTLED if throttled else Coverage.Status.FAILED
    return Result(answer.source, outcome, 0, 0, answer.seconds, answer.trouble.words if answer.trouble else "")


def _note(results: Sequence[Result], answers: Sequence[_Answer], now: datetime) -> None:
    """The ledger of hours, and the last fetches of each source."""
    with bound("poller"):
        coverage.note(
            [
                coverage.Ear(r.source.pk, r.outcome, r.source.last_success_at or r.source.last_attempt_at, now)
                for r in results
            ]
        )
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
                words=result.words[:500],
            )
            for result, answer in zip(results, answers, strict=True)
        )
