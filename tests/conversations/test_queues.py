"""Queues: each thread exactly once, page after page, and counts that are exact whoever writes at the same time."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from accounts.binding import bound
from conversations import lifecycle, queues, triage
from conversations.lifecycle import NotPossible, Stale
from conversations.models import Contact, QueueTally, Thread
from tests.cast import Cast, source_of

pytestmark = pytest.mark.django_db(transaction=True)


def many(cast: Cast, count: int) -> None:
    """Threads that share a few due times, some with none."""
    now, chance = timezone.now(), random.Random(3)
    source, contact = source_of(cast.nivalta), Contact.objects.create(name="Anna", since=now)
    moments = [now + timedelta(minutes=n) for n in range(4)]
    with bound("poller"):
        for n in range(count):
            due, state = chance.choice([*moments, None]), chance.choice(["open", "open", "open", "snoozed", "closed"])
            Thread.objects.create(
                brand=cast.nivalta, scope="x", root_key=str(n), contact=contact, source=source, network="feed",
                opened_at=now, last_message_at=chance.choice(moments), last_inbound_at=now, last_ours=due is None,
                waiting_since=due and now, due_at=due, state=state,
                end_reason="no_reply" if state == "closed" else "", snoozed_until=now if state == "snoozed" else None,
            )  # fmt: skip


def visited(cast: Cast, queue: str) -> list[int]:
    seen, after = [], ""
    while True:
        page = queues.page(cast.nivalta, cast.marta, queue, after)
        seen += [thread.pk for thread in page.threads]
        if not (after := page.after):
            return seen


def truth(cast: Cast) -> dict[str, int]:
    return {queue: queues.in_queue(cast.nivalta, cast.marta, queue).count() for queue in queues.QUEUES}


def totals(cast: Cast) -> dict[str, int]:
    return queues.counts(cast.nivalta, cast.marta, timezone.now()).totals


@pytest.mark.parametrize("queue", queues.QUEUES)
def test_pages_visit_each_thread_exactly_once(cast: Cast, monkeypatch: pytest.MonkeyPatch, queue: str) -> None:
    monkeypatch.setattr(queues, "PAGE", 7)
    many(cast, 90)
    with bound("staff", cast.marta.pk):
        Thread.objects.filter(pk__in=list(Thread.objects.values_list("pk", flat=True)[::3])).update(owner=cast.marta.pk)
    wanted = list(queues.in_queue(cast.nivalta, cast.marta, queue).values_list("pk", flat=True))
    assert wanted
    seen = visited(cast, queue)
    assert (sorted(seen), len(seen)) == (sorted(wanted), len(wanted))
    walked = [seen[0]]
    while following := queues.next_in_queue(Thread.objects.get(pk=walked[-1]), cast.marta, queue):
        walked.append(following)
    assert walked == seen, "closing goes on in the order of the list"


def test_a_place_that_was_tampered_with_shows_the_first_page(cast: Cast) -> None:
    many(cast, 5)
    first = queues.page(cast.nivalta, cast.marta, "all")
    assert queues.page(cast.nivalta, cast.marta, "all", "x:y").threads == first.threads


def test_counts_are_exact_while_many_write_and_fold(cast: Cast) -> None:
    many(cast, 30)
    before = QueueTally.objects.count()
    ends: Counter[str] = Counter()

    def work(seed: int) -> None:
        chance, person = random.Random(seed), (cast.marta, cast.teo)[seed % 2]
        for _ in range(15):
            thread, now = Thread.objects.get(root_key=str(chance.randrange(30))), timezone.now()
            try:
                with bound("staff", person.pk):
                    match chance.randrange(4):
                        case 0:
                            lifecycle.close(thread, "no_reply", person, now)
                        case 1:
                            lifecycle.reopen(thread, person, now)
                        case 2:
                            lifecycle.snooze(thread, now + timedelta(hours=1), person, now)
                        case _:
                            triage.assign(thread, chance.choice([person.staff, None]), person, now)
                ends["done"] += 1
            except (Stale, NotPossible):
                ends["told"] += 1
            with bound("poller"):
                queues.fold_tally()
        connections.close_all()

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert ends["done"] > 20
    assert totals(cast) == truth(cast)
    with bound("poller"):
        queues.fold_tally()
    assert QueueTally.objects.count() < before
    assert totals(cast) == truth(cast)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(delta) FROM conversations_queuetally")
        assert cursor.fetchone() == (30,)
