"""L1: the inbox page at ten thousand and at a million threads: the same page, in process, whole, with its counts."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg2

from bench.harness import LessWork, installation, manage, median_ratio, start, stop
from config.services import Services

SIZES = (10_000, 10_000_000 if os.environ.get("BENCH_FULL") == "1" else 1_000_000)
ROUNDS = 7
PAGES = ("first", "deep")


def run() -> Iterator[dict[str, Any]]:
    with installation() as services:
        sides = [Side(services, size) for size in SIZES]
        try:
            for page in PAGES:
                times: list[list[float]] = [[], []]
                for _ in range(ROUNDS):
                    for side, found in zip(sides, times, strict=True):
                        milliseconds, queries, total = side.measure(page)
                        if total != side.triage:
                            raise LessWork(f"the page of {side.size:,} threads counted {total}, not {side.triage}")
                        found.append(milliseconds)
                small, large = times
                yield {
                    "name": f"L1 inbox, {page} page, at {SIZES[1]:,} threads",
                    "figure": round(statistics.median(large), 2),
                    "unit": "ms (p50, in process)",
                    "against": f"the same page at {SIZES[0]:,} threads: {statistics.median(small):.2f} ms",
                    "ratio": round(median_ratio(large, small), 2),
                    "goal": 1.2,
                    "queries": queries,
                    "settings": f"30 % open; 50 rows; {ROUNDS} pairs of 20 requests",
                }
        finally:
            for side in sides:
                side.stop()


class Side:
    """A database of its own with so many threads, and a process that measures the page on it."""

    def __init__(self, services: Services, size: int) -> None:
        self.size = size
        name = f"bench_{size}"
        owner = services.urls["database"]["owner"]
        with asking(owner) as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        environment = services.environment_for("owner", database=name) | {"ASCOLTO_TEST": "1"}
        manage(services, "migrate", "-v", "0", DATABASE_URL=environment["DATABASE_URL"])
        self.triage = fill(environment["DATABASE_URL"], size)
        self.process: subprocess.Popen[str] = start(environment, "bench.inbox_side")
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def measure(self, page: str) -> tuple[float, int, int]:
        """Median milliseconds of 20 requests, statements of the last, and the count that the page shows."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{page}\n")
        self.process.stdin.flush()
        milliseconds, queries, total = self.process.stdout.readline().split()
        return float(milliseconds), int(queries), int(total)

    def stop(self) -> None:
        stop(self.process)


@contextlib.contextmanager
def asking(url: str) -> Iterator[Any]:
    """A cursor outside any transaction."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        yield connection.cursor()
    finally:
        connection.close()


def fill(url: str, size: int) -> int:
    """So many threads: 30 % open, of which two thirds wait in triage; gives how many stand there."""
    with asking(url) as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, {"size": size})
        cursor.execute("SELECT count(*) FROM conversations_thread WHERE queue = 'triage'")
        return int(cursor.fetchone()[0])


STATEMENTS = (
    "ALTER TABLE conversations_thread DISABLE TRIGGER USER",
    """WITH p AS (INSERT INTO accounts_person (email, name, kind, role, active, language, zone, theme)
                  VALUES ('b@example.org', 'Bench', 'staff', 'manager', true, 'en', 'Europe/Rome', '') RETURNING id),
            s AS (INSERT INTO accounts_staff (person_id, kind) SELECT id, 'staff' FROM p RETURNING person_id),
            l AS (INSERT INTO accounts_login (password, person_id, email) SELECT '!', id, 'b@example.org' FROM p),
            b AS (INSERT INTO accounts_brand (slug, name, tagline, zone, language)
                  VALUES ('bench', 'Bench', '', 'Europe/Rome', 'it') RETURNING id),
            c AS (INSERT INTO conversations_calendarversion (brand_id, zone, weekly, holidays, valid_from)
                  SELECT id, 'Europe/Rome', '{"0": [["09:00", "18:00"]]}', '{}', '2020-01-01' FROM b),
            o AS (INSERT INTO listening_source (brand_id, kind, address, base_url, name, own_place, state, added_at,
                      cursor,
                      next_poll_at, interval, steady, failures, trouble_code, trouble_words, trouble_details, moved_to,
                      moved_times)
                  SELECT id, 'feed', 'a', '', 'A feed', false, 'active', now(), '{}', now(), 900, false, 0, '', '', '',
                      '', 0 FROM b)
       INSERT INTO accounts_membership (brand_id, staff_id) SELECT b.id, s.person_id FROM b, s""",
    """INSERT INTO conversations_contact (name, kind, since)
       SELECT 'Person ' || n, 'person', now() FROM generate_series(1, least(%(size)s, 50000)) AS n""",
    "INSERT INTO conversations_label (brand_id, name, colour) SELECT id, 'Complaint', 1 FROM accounts_brand",
    """INSERT INTO conversations_thread (brand_id, scope, root_key, contact_id, source_id, network, subject, snippet,
            language, via, private, history, state, end_reason, version, opened_at, last_message_at, last_inbound_at,
            last_ours, waiting_since, due_at, open_advice)
       SELECT b.id, 's', n::text, c.first + n %% least(%(size)s, 50000), o.id, 'feed', 'Subject ' || n,
              repeat('Some words. ', 12), 'it', 'a place', false, false,
              CASE WHEN n %% 10 < 3 THEN 'open' ELSE 'closed' END, CASE WHEN n %% 10 < 3 THEN '' ELSE 'answered' END,
              1, t, t, t, n %% 10 = 2, CASE WHEN n %% 10 < 2 THEN t END,
              CASE WHEN n %% 10 < 2 THEN t + interval '90 minutes' END, 0
       FROM generate_series(1, %(size)s) AS n, accounts_brand b, listening_source o,
            (SELECT min(id) AS first FROM conversations_contact) c,
            LATERAL (SELECT now() - n * interval '7 seconds' AS t) AS x""",
    """INSERT INTO conversations_threadlabel (thread_id, label_id)
       SELECT t.id, l.id FROM conversations_thread t, conversations_label l WHERE t.id %% 3 = 0""",
    """INSERT INTO conversations_queuetally (brand_id, queue, owner_id, delta)
       SELECT brand_id, queue, owner_id, count(*) FROM conversations_thread GROUP BY 1, 2, 3""",
    "ALTER TABLE conversations_thread ENABLE TRIGGER USER",
    "VACUUM ANALYZE",
)
