"""P1: 2,000 feeds, a tenth changed by one entry, through Celery into PostgreSQL, against `reader` into SQLite."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from bench.feed_server import HOSTS
from bench.harness import LessWork, cpu_seconds, installation, median_ratio, start, stop, wait_for
from bench.reader_side import WORKERS
from config.services import Services

FEEDS = int(os.environ.get("BENCH_FEEDS", "2000"))
CHANGED = 10
"""One feed in so many changes each round."""
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
LARGEST = 150_000
PROCESSES = 2


def run() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="ascolto-feeds-") as folder, installation() as services:
        feeds = Path(folder)
        feeds.chmod(0o755)
        real = write_feeds(feeds)
        server = start(dict(os.environ), "bench.feed_server", folder)
        assert server.stdout is not None
        port = int(server.stdout.readline())
        addresses = [f"http://{HOSTS[n % len(HOSTS)]}:{port}/{n}.xml" for n in range(FEEDS)]
        ours, theirs = Ours(services, addresses, port), Reader(feeds.parent / f"{feeds.name}.reader", addresses)
        try:
            yield compare(ours, theirs, feeds, server, real)
        finally:
            for side in (ours, theirs):
                side.stop()
            stop(server)


def compare(ours: Ours, theirs: Reader, feeds: Path, server: subprocess.Popen[str], real: int) -> dict[str, Any]:
    for side in (ours, theirs):
        side.round()
    speeds: dict[str, list[float]] = {"ours": [], "theirs": []}
    costs: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(ROUNDS):
        change(feeds, number)
        server.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        for name, side in (("ours", ours), ("theirs", theirs)):
            before = side.entries
            seconds, cpu = side.round()
            if side.entries - before < FEEDS // CHANGED:
                raise LessWork(f"{name} found {side.entries - before} of {FEEDS // CHANGED} new entries")
            speeds[name].append(FEEDS / seconds)
            costs[name].append(cpu / FEEDS * 1000)
    return {
        "name": f"P1 {FEEDS} feeds, one in {CHANGED} with a new entry, through Celery into PostgreSQL",
        "figure": round(statistics.median(speeds["ours"]), 1),
        "unit": "feeds/s",
        "against": f"reader with {WORKERS} workers: {statistics.median(speeds['theirs']):.1f} feeds/s",
        "ratio": round(median_ratio(speeds["ours"], speeds["theirs"]), 2),
        "goal": 5,
        "cpu_seconds_per_1000": {name: round(statistics.median(values), 2) for name, values in costs.items()},
        "cpu_ratio": round(median_ratio(costs["ours"], costs["theirs"]), 3),
        "settings": f"{PROCESSES} Celery processes; {real} real documents, else made up; {ROUNDS} pairs",
    }


class Ours:
    """The product: sources and items in PostgreSQL, a Celery worker of two processes."""

    def __init__(self, services: Services, addresses: list[str], port: int) -> None:
        environment = services.environment_for("poller") | {"ASCOLTO_TEST": "1"}
        environment["ASCOLTO_ALLOW_ADDRESSES"] = " ".join(f"{host}:{port}" for host in HOSTS)
        self.database = psycopg2.connect(services.urls["database"]["owner"])
        self.database.autocommit = True
        self.environment = environment
        self._fill(addresses)
        command = ["celery", "-A", "config.celery", "worker", "-l", "ERROR", "-Q", "poll", "-c", str(PROCESSES)]
        self.worker = start(environment, *command, "--without-gossip", "--without-mingle")
        self.entries = 0

    def _ask(self, statement: str, *values: Any) -> Any:
        with self.database.cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def _fill(self, addresses: list[str]) -> None:
        brand = self._ask(
            """INSERT INTO accounts_brand (slug, name, tagline, zone, language)
               VALUES ('b', 'B', '', 'UTC', 'en') RETURNING id"""
        )
        self._ask(
            """INSERT INTO listening_topic (brand_id, name, any_of, all_of, none_of, version, active)
               VALUES (%s, 'new', '{"benchmarked"}', '{}', '{}', 1, true)""",
            brand,
        )
        self._ask(
            """INSERT INTO listening_source (brand_id, kind, address, base_url, name, own_place, state, added_at,
                    cursor, next_poll_at, interval, steady, failures, trouble_code, trouble_words, trouble_details,
                    moved_to, moved_times)
               SELECT %s, 'feed', a, '', a, false, 'active', now(), '{}', now() + interval '1 day', 900, false, 0,
                      '', '', '', '', 0
               FROM unnest(%s::text[]) AS a""",
            brand,
            addresses,
        )

    def round(self) -> tuple[float, float]:
        """Makes every source due, rings the worker, waits until all were polled; gives seconds and CPU seconds."""
        began = self._ask("SELECT clock_timestamp()")
        cpu, clock = cpu_seconds(self.worker.pid), time.monotonic()
        self._ask("UPDATE listening_source SET next_poll_at = clock_timestamp()")
        task = "app.send_task('listening.tasks.poll_due', queue='poll')"
        ring = f"from config.celery import app\nfor _ in range(20): {task}"
        subprocess.run([sys.executable, "-c", ring], env=self.environment, check=True)
        late = "SELECT count(*) FROM listening_source WHERE last_attempt_at IS NULL OR last_attempt_at < %s"
        wait_for(lambda: self._ask(late, began) == 0, 600)
        seconds, spent = time.monotonic() - clock, cpu_seconds(self.worker.pid) - cpu
        failed = self._ask("SELECT count(*) FROM listening_source WHERE failures > 0")
        if failed:
            raise LessWork(f"ours failed on {failed} feeds")
        self.entries = self._ask("SELECT count(*) FROM listening_item")
        return seconds, spent

    def stop(self) -> None:
        stop(self.worker)
        self.database.close()


class Reader:
    """The peer, in a process of its own."""

    def __init__(self, folder: Path, addresses: list[str]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        (folder / "addresses").write_text("\n".join(addresses))
        self.process = start(
            dict(os.environ), "bench.reader_side", str(folder / "reader.db"), str(folder / "addresses")
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.entries = 0

    def round(self) -> tuple[float, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        cpu, clock = cpu_seconds(self.process.pid), time.monotonic()
        self.process.stdin.write("update\n")
        self.process.stdin.flush()
        updated, entries = map(int, self.process.stdout.readline().split())
        self.entries = entries
        if updated < FEEDS:
            raise LessWork(f"reader updated {updated} of {FEEDS} feeds")
        return time.monotonic() - clock, cpu_seconds(self.process.pid) - cpu

    def stop(self) -> None:
        stop(self.process)
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


# ── the feeds ───────────────────────────────────────────────────────────────────────────────────────────────────────


def write_feeds(folder: Path) -> int:
    """2,000 documents made from the real ones that others recorded, or from one of ours; gives how many are real."""
    shared = Path(os.environ.get("ASCOLTO_SHARED", "../shared")) / "recordings/feeds/real-kagi-2026"
    documents = [d for path in sorted(shared.glob("*")) if (d := usable(path)) is not None] or [made_up()]
    for number in range(FEEDS):
        (folder / f"{number}.xml").write_bytes(documents[number % len(documents)])
    return len(documents) if shared.exists() else 0


def usable(path: Path) -> bytes | None:
    """A well-formed RSS 2.0 document of ordinary size, into which an entry can be put."""
    body = path.read_bytes()
    ordinary = len(body) <= LARGEST and b"<rss" in body and re.search(rb"<item[ >]", body)
    return body if ordinary else None


def made_up() -> bytes:
    items = "".join(
        f"<item><title>Note {n}</title><guid>n{n}</guid><description>{'Idle words. ' * 60}</description></item>"
        for n in range(20)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>A feed</title>{items}</channel></rss>'.encode()


def change(folder: Path, number: int) -> None:
    """Puts a new entry on top of every tenth feed."""
    for feed in range(number % CHANGED, FEEDS, CHANGED):
        path = folder / f"{feed}.xml"
        body = path.read_bytes()
        at = re.search(rb"<item[ >]", body)
        assert at is not None
        key = f"bench-{feed}-{number}"
        entry = f"<item><title>Benchmarked {number}</title><guid>{key}</guid><link>http://b.example/{key}</link></item>"
        path.write_bytes(body[: at.start()] + entry.encode() + body[at.start() :])
