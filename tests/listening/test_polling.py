"""The schedule: shared without a double fetch, taken over from the dead, never stopped by one bad source."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from conversations import intake
from conversations.models import Message, Thread
from listening import polling
from listening.connectors import REGISTER
from listening.connectors.contract import Heard, Throttled
from listening.models import Coverage, Fetch, Item, ItemSource, Mention, SetAsideItem, Source
from tests.cast import Cast, source_of
from tests.listening.publisher import Answer, Publisher, publishing, rss

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def publisher(settings: Any) -> Iterator[Publisher]:
    with publishing() as running:
        settings.ALLOW_ADDRESSES = [running.url.removeprefix("http://")]
        yield running


def due(cast: Cast, address: str, **given: Any) -> Source:
    return source_of(cast.nivalta, address=address, next_poll_at=timezone.now() - timedelta(minutes=1), **given)


def poll(source: Source) -> polling.Result:
    (result,) = polling.poll(polling.claim(1, only=[source.pk]))
    source.refresh_from_db()
    return result


def elsewhere(work: Callable[[], Any]) -> threading.Thread:
    """Another worker: a thread with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# ── who polls what ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_workers_share_the_sources_and_none_is_fetched_twice(cast: Cast, publisher: Publisher) -> None:
    for number in range(40):
        due(cast, publisher.publish(f"/{number}", rss((f"e{number}", "nivalta")), slow=0.02))
    workers = [elsewhere(polling.poll_due) for _ in range(2)]
    for worker in workers:
        worker.join()
    assert Counter(publisher.asked) == {f"/{number}": 1 for number in range(40)}
    assert Mention.objects.count() == 40
    assert not Source.objects.filter(lease_token__isnull=False).exists()


def test_a_claim_that_is_under_way_makes_no_other_wait(cast: Cast) -> None:
    for number in range(6):
        due(cast, f"https://{number}.example/")
    theirs: list[Source] = []
    with transaction.atomic():
        ours = polling.claim(3)
        other = elsewhere(lambda: theirs.extend(polling.claim(6)))
        other.join(10)
        assert not other.is_alive()
    assert (len(ours), len(theirs)) == (3, 3)
    assert not {source.pk for source in ours} & {source.pk for source in theirs}


def test_only_active_sources_of_known_kinds_are_claimed(cast: Cast) -> None:
    due(cast, "https://a.example/", state=Source.State.PAUSED)
    due(cast, "https://b.example/", kind="history")
    source_of(cast.nivalta, address="https://c.example/")
    ready = due(cast, "https://d.example/")
    assert [source.pk for source in polling.claim(10)] == [ready.pk]
    assert polling.claim(10, only=list(Source.objects.values_list("pk", flat=True)))[0].address == "https://c.example/"


def test_a_lease_ends_and_what_its_late_holder_brings_is_dropped(cast: Cast, publisher: Publisher) -> None:
    source = due(cast, publisher.publish("/feed", rss(("1", "nivalta"))))
    (late,) = polling.claim(1)
    assert polling.claim(1) == []
    Source.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    (taken_over,) = polling.claim(1)
    assert list(polling.poll([late])) == []
    assert (Item.objects.count(), Fetch.objects.count(), Coverage.objects.count()) == (0, 0, 0)
    source.refresh_from_db()
    assert source.lease_token == taken_over.lease_token
    assert [result.mentions for result in polling.poll([taken_over])] == [1]


def test_leases_of_what_waits_for_its_turn_are_prolonged(
    cast: Cast, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "RENEW_AFTER", 0.2)
    monkeypatch.setattr(polling, "STORE_AFTER", 0.1)
    due(cast, publisher.publish("/slow", rss(("1", "nivalta")), slow=1))
    ends: list[Any] = []
    worker = elsewhere(polling.poll_due)
    while worker.is_alive():
        ends += Source.objects.values_list("lease_until", flat=True)
        time.sleep(0.05)
    assert len({end for end in ends if end}) >= 3


def test_a_slow_source_delays_its_neighbours_by_seconds_only(
    cast: Cast, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "STORE_AFTER", 0.3)
    patience = threading.Event()

    def slow(_: str) -> Answer:
        patience.wait(25)
        return 200, {}, rss(("slow", "nivalta"))

    due(cast, publisher.serve("/slow", slow))
    for number in range(10):
        due(cast, publisher.publish(f"/{number}", rss((f"e{number}", "nivalta"))))
    worker = elsewhere(polling.poll_due)
    until(lambda: Mention.objects.count() == 10)
    due(cast, publisher.publish("/later", rss(("later", "nivalta"))))
    until(lambda: Mention.objects.count() == 11)  # what becomes due meanwhile is polled too
    assert worker.is_alive()
    patience.set()
    worker.join()
    assert Mention.objects.count() == 12


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


# ── what a far side may say ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "outcome", "soonest", "latest"),
    [
        (404, {}, b"", "gone", "failed", 700, 1100),
        (410, {}, b"", "gone", "failed", 19 * 3600, 29 * 3600),
        (401, {}, b"", "denied", "failed", 700, 1100),
        (429, {"Retry-After": "7200"}, b"", "throttled", "throttled", 7190, 7210),
        (429, {"Retry-After": "0"}, b"", "throttled", "throttled", 890, 910),
        (503, {"Retry-After": "99999999"}, b"", "throttled", "throttled", 21590, 21610),
        (500, {}, b"", "broken", "failed", 700, 1100),
        (200, {"Content-Type": "text/html"}, b"<html><body>Log in</body></html>", "broken", "failed", 700, 1100),
        (200, {}, b"", "broken", "failed", 700, 1100),
    ],
)
def test_trouble_becomes_words_coverage_and_another_time(
    cast: Cast, publisher: Publisher, status: int, headers: dict[str, str], body: bytes, code: str, outcome: str,
    soonest: float, latest: float,
) -> None:  # fmt: skip
    source = due(cast, publisher.publish("/feed", body, status, headers), cursor={"etag": '"before"'})
    asked_at = timezone.now()
    result = poll(source)
    assert (result.outcome, source.trouble_code, source.failures) == (outcome, code, 1)
    assert source.trouble_words.endswith(".")
    assert source.cursor == {"etag": '"before"'}, "a cursor moves only with data"
    assert soonest <= (source.next_poll_at - asked_at).total_seconds() <= latest
    assert set(Coverage.objects.filter(hour__gte=asked_at - timedelta(hours=1)).values_list("status", flat=True)) <= {
        outcome, "failed"
    }  # fmt: skip
    assert Fetch.objects.get().outcome == outcome
    publisher.publish("/feed", rss(("1", "nivalta")))
    assert poll(source).mentions == 1
    assert (source.failures, source.trouble_code, source.trouble_words) == (0, "", "")


def test_failures_back_off_with_jitter_up_to_a_ceiling(cast: Cast) -> None:
    now, source = timezone.now(), source_of(cast.nivalta)
    seen = []
    for failures in range(30):
        source.failures = failures
        after = polling.after_trouble(source, Throttled("Slow down."), now)
        seen.append((after["next_poll_at"] - now).total_seconds())  # type: ignore[operator]
    assert seen[0] <= 900 * 1.2
    assert len(set(seen[6:])) > 1
    assert max(seen) <= 6 * 3600


def test_the_interval_follows_news_within_its_bounds(cast: Cast, publisher: Publisher) -> None:
    source = due(cast, "")
    said: list[tuple[str, str]] = []
    publisher.serve("/feed", lambda _: (200, {}, rss(*said)))
    Source.objects.filter(pk=source.pk).update(address=publisher.url + "/feed")
    rhythm = []
    for number in range(8):
        said.append((str(number), "news"))
        poll(source)
        rhythm.append(source.interval)
    assert rhythm == sorted(rhythm, reverse=True)
    assert rhythm[-1] == 300
    for _ in range(25):
        poll(source)
    assert source.interval == 6 * 3600
    Source.objects.filter(pk=source.pk).update(steady=True, interval=3.0)
    poll(source)
    assert source.interval == 3.0


def test_what_a_network_shows_again_is_no_news(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    from listening.connectors import contract

    class Whole:
        kind, network, label, interval, fastest, slowest = "whole", "whole", "Whole", 60.0, 60.0, 60.0

        def poll(self, place: Any, cursor: Any, world: Any) -> Heard:
            return Heard(items=(contract.Item("1", text="nivalta"),), cursor={"n": cursor.get("n", 0) + 1})

    monkeypatch.setitem(REGISTER, "whole", Whole())
    watch = source_of(cast.nivalta, "whole", interval=120.0, warm_until=timezone.now() + timedelta(days=9))
    intervals = []
    for _ in range(15):
        poll(watch)
        intervals.append(watch.interval)
    assert intervals[0] < 120
    assert intervals[-1] == polling.SLOWEST_WATCH, "a conversation that rests is looked at less and less often"


def test_a_connector_that_raises_costs_its_source_only(
    cast: Cast, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unfit:
        kind, network, label, interval, fastest, slowest = "unfit", "", "Unfit", 60.0, 60.0, 60.0

        def poll(self, place: Any, cursor: Any, world: Any) -> Heard:
            raise KeyError("\x00 nobody expected")

    monkeypatch.setitem(REGISTER, "unfit", Unfit())
    unfit = due(cast, "x", kind="unfit")
    due(cast, publisher.publish("/feed", rss(("1", "nivalta"))))
    assert polling.poll_due() == 2
    unfit.refresh_from_db()
    assert (unfit.trouble_code, unfit.failures, Mention.objects.count()) == ("broken", 1, 1)


# ── moved ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_permanent_redirect_is_believed_the_third_time(cast: Cast, publisher: Publisher) -> None:
    new = publisher.publish("/new", rss(("1", "nivalta")))
    source = due(cast, publisher.publish("/old", b"", 301, {"Location": new}))
    for address in (publisher.url + "/old", publisher.url + "/old", new):
        poll(source)
        assert (source.address, source.failures) == (address, 0)
    assert Item.objects.count() == 1


def test_a_source_never_moves_onto_another_of_its_brand(cast: Cast, publisher: Publisher) -> None:
    new = publisher.publish("/new", rss(("1", "nivalta")))
    source_of(cast.nivalta, address=new)
    old = [due(cast, publisher.publish(f"/old{n}", b"", 301, {"Location": new})) for n in range(2)]
    for _ in range(4):
        for source in old:
            assert poll(source).outcome == "checked"
            assert (source.failures, source.address) == (0, f"{publisher.url}/old{old.index(source)}")


def test_two_that_move_to_one_address_at_once_leave_one_behind(cast: Cast, publisher: Publisher) -> None:
    new = publisher.publish("/new", rss(("1", "nivalta")))
    old = [
        due(cast, publisher.publish(f"/old{n}", b"", 301, {"Location": new}), moved_to=new, moved_times=2)
        for n in range(2)
    ]
    assert {result.outcome for result in polling.poll(polling.claim(2))} == {"checked"}
    assert sorted(Source.objects.filter(pk__in=[s.pk for s in old]).values_list("address", flat=True))[0] == new
    assert not Source.objects.filter(failures__gt=0).exists()


def test_a_redirect_to_an_inner_address_is_refused_and_never_stored(cast: Cast, publisher: Publisher) -> None:
    source = due(cast, publisher.publish("/old", b"", 301, {"Location": "http://127.0.0.1:1/feed"}))
    for _ in range(4):
        poll(source)
    assert (source.trouble_code, source.address) == ("forbidden", publisher.url + "/old")


# ── killed, flushed, restarted ──────────────────────────────────────────────────────────────────────────────────────


class Growing:
    """Feeds that say something new each time they are asked, with a window of the last words."""

    def __init__(self, publisher: Publisher, count: int, window: int) -> None:
        self.said: dict[str, list[tuple[str, str]]] = {f"/{n}": [] for n in range(count)}
        self.window = window
        for path in self.said:
            publisher.serve(path, self.answer)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        said = self.said[path]
        if len(said) < self.window:
            said.append((f"{path} {len(said)}", f"nivalta {len(said)}"))
        return 200, {}, rss(*said)


def expect_everything_once(growing: Growing) -> None:
    truth = {key for said in growing.said.values() for key, _ in said}
    assert Counter(Item.objects.values_list("external_id", flat=True)) == dict.fromkeys(truth, 1)
    assert Mention.objects.count() == ItemSource.objects.count() == len(truth)
    assert Mention.objects.filter(taken_at=None).count() == 0
    assert Message.objects.count() == Thread.objects.count() == len(truth)


WORKER = """
import django; django.setup()
from listening import polling
while True:
    polling.poll_due()
"""


def test_a_worker_killed_at_any_moment_loses_nothing_and_doubles_nothing(
    cast: Cast, publisher: Publisher, environment_of: Callable[[str], dict[str, str]]
) -> None:
    growing = Growing(publisher, count=6, window=10)
    for path in growing.said:
        due(cast, publisher.url + path, steady=True, interval=0.05)
    environment = os.environ | environment_of("poller")
    environment |= {
        "ASCOLTO_PROCESS": "poller",
        "ASCOLTO_ALLOW_ADDRESSES": publisher.url.removeprefix("http://"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    chance = random.Random(7)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)

    workers = [start() for _ in range(2)]
    try:
        for _ in range(3):
            asked = len(publisher.asked)
            until(lambda asked=asked: len(publisher.asked) > asked, 60)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.4))
            workers.append(start())
            kill(workers.pop(0))
            Source.objects.filter(lease_until__isnull=False).update(lease_until=timezone.now())  # or wait two minutes
    finally:
        for worker in workers:
            kill(worker)
    growing.window = 0
    Source.objects.update(lease_until=None)
    list(polling.poll(polling.claim(100, only=list(Source.objects.values_list("pk", flat=True)))))
    intake.take_all(timezone.now())  # as the sweep does: a bell may have died with its worker
    expect_everything_once(growing)


def test_workers_go_on_when_redis_is_emptied_and_drops_them(
    cast: Cast, publisher: Publisher, environment_of: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    growing = Growing(publisher, count=4, window=500)
    for path in growing.said:
        due(cast, publisher.url + path, steady=True, interval=0.2)
    environment = environment_of("poller") | {"ASCOLTO_ALLOW_ADDRESSES": publisher.url.removeprefix("http://")}
    celery = [sys.executable, "-m", "celery", "-A", "config.celery"]
    parts = [
        [*celery, "worker", "-l", "ERROR", "-c", "2", "-Q", "poll,background", "--without-gossip", "--without-mingle"],
        [*celery, "beat", "-l", "ERROR", "-s", str(tmp_path / "beat"), "--pidfile="],
    ]
    running = [subprocess.Popen(part, cwd=ROOT, env=environment, start_new_session=True) for part in parts]
    try:
        until(lambda: Message.objects.count() > 4, 60)
        with redis.Redis.from_url(environment["REDIS_URL"]) as broker:
            broker.flushall()
            broker.client_kill_filter(_type="normal", skipme=True)
        heard = Message.objects.count()
        until(lambda: Message.objects.count() > heard + 8, 60)
    finally:
        for part in running:
            os.killpg(part.pid, signal.SIGKILL)
            part.wait()
    growing.window = 0
    Source.objects.update(lease_until=None)
    list(polling.poll(polling.claim(100, only=list(Source.objects.values_list("pk", flat=True)))))
    intake.take_all(timezone.now())
    expect_everything_once(growing)


def kill(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.wait()


def test_a_database_that_cuts_its_connections_is_waited_for(
    cast: Cast, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "DATABASE_BACK", (0.05, 0.05))
    source = due(cast, publisher.publish("/feed", rss(*((f"e{n}", "nivalta") for n in range(20)))))
    (claimed,) = polling.claim(1, only=[source.pk])
    pid = connection.connection.get_backend_pid()

    def cut(_: str) -> tuple[int, dict[str, str], bytes]:
        with connections.create_connection("default").cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        return 200, {}, rss(*((f"e{n}", "nivalta") for n in range(20)))

    publisher.serve("/feed", cut)
    monkeypatch.setattr(polling._Memory, "known", lambda self, scope, ids: set())
    (result,) = polling.poll([claimed])
    assert (result.outcome, result.mentions) == ("checked", 20)
    assert not SetAsideItem.objects.exists(), "a restart is no fault of the items"


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_poll_by_hand_prints_items_mentions_cursor_and_seconds(cast: Cast, publisher: Publisher) -> None:
    said = publisher.publish("/feed", rss(("1", "nivalta"), ("2", "rain")), headers={"ETag": '"v1"'})
    source = due(cast, said)
    out = StringIO()
    call_command("poll", "--source", str(source.pk), stdout=out)
    line = out.getvalue()
    assert line.startswith(f"{source.pk}  A feed of")
    for part in ("checked", "items 2", "mentions 1", "cursor {", '"v1"', " s\n"):
        assert part in line
    with pytest.raises(CommandError, match="no active source"):
        call_command("poll", "--source", "999999", stdout=out)
    out = StringIO()
    call_command("poll", stdout=out)
    assert out.getvalue() == "Nothing is due.\n"
    call_command("poll", "--all", stdout=out)
    assert "checked" in out.getvalue()


def test_poll_by_hand_says_when_a_source_is_being_polled(cast: Cast, publisher: Publisher) -> None:
    source = due(cast, publisher.publish("/feed", rss(("1", "nivalta"))))
    polling.claim(1)
    out = StringIO()
    call_command("poll", "--source", str(source.pk), stdout=out)
    assert "being polled" in out.getvalue()
