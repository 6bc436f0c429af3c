"""The six queues of the inbox: what stands in each, in which order, and how many. Exact at any size, no OFFSET."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core import signing
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from accounts.models import Brand, Person
from conversations.models import Label, Spell, Thread, ThreadRead

QUEUES = ("triage", "mine", "waiting", "snoozed", "closed", "all")
PAGE = 50
BY_DUE = ("triage", "mine")
"""Sorted by deadline and shown in groups; the others newest first."""


@dataclass(frozen=True, slots=True)
class Page:
    threads: list[Thread]
    after: str
    """Where the next page begins; empty on the last."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Exact counts of a brand's queues as one person sees them, and whether something in them is overdue."""

    totals: dict[str, int]
    overdue: dict[str, bool]
    sources_in_trouble: int
    last_check: datetime | None
    has_sources: bool


def page(brand: Brand, person: Person, queue: str, after: str = "") -> Page:
    """Fifty threads of a queue, from the place that the page before named."""
    by_due = queue in BY_DUE
    threads = _shown(in_queue(brand, person, queue), person)
    threads = (
        threads.order_by(F("due_at").asc(nulls_last=True), "id")
        if by_due
        else threads.order_by("-last_message_at", "-id")
    )
    if after:
        threads = threads.filter(_behind(after, by_due))
    rows = list(threads[: PAGE + 1])
    return Page(rows[:PAGE], _mark(rows[PAGE - 1], by_due) if len(rows) > PAGE else "")


def in_queue(brand: Brand, person: Person, queue: str) -> QuerySet[Thread]:
    threads = Thread.objects.filter(brand=brand)
    if queue == "mine":
        return threads.filter(owner_id=person.pk).exclude(state=Thread.State.CLOSED)
    return threads if queue == "all" else threads.filter(queue=queue)


def _shown(threads: QuerySet[Thread], person: Person) -> QuerySet[Thread]:
    """With all that a row shows, in one statement."""
    labels = Label.objects.filter(threadlabel__thread=OuterRef("pk")).order_by("name")
    read = ThreadRead.objects.filter(thread=OuterRef("pk"), person_id=person.pk, version__gte=OuterRef("version"))
    answered = Spell.objects.filter(thread=OuterRef("pk"), outcome=Spell.Outcome.ANSWERED).order_by("-number")
    target = Spell.objects.filter(thread=OuterRef("pk"), outcome=Spell.Outcome.OPEN)
    return threads.select_related(
        "contact", "owner__person"
    ).annotate(  # type: ignore[no-redef]
        label_list=ArraySubquery(labels.values(data=JSONObject(name="name", colour="colour", pk="pk"))),
        unread=~Exists(read),
        answered_seconds=Subquery(answered.values("team_business_seconds")[:1]),
        target_seconds=Subquery(target.values("target__seconds")[:1]),
    )


def _mark(row: Thread, by_due: bool) -> str:
    at = row.due_at if by_due else row.last_message_at
    return signing.dumps([at.isoformat() if at else "", row.pk], salt="page", compress=True)


def _behind(after: str, by_due: bool) -> Q:
    """Keyset: everything behind the mark. A mark that was tampered with shows the first page."""
    try:
        text, pk = signing.loads(after, salt="page")
    except signing.BadSignature:
        return Q()
    at = datetime.fromisoformat(text) if text else None
    if not by_due:
        return Q(last_message_at__lt=at) | Q(last_message_at=at, pk__lt=pk)
    if at is None:
        return Q(due_at=None, pk__gt=pk)
    return Q(due_at__gt=at) | Q(due_at=at, pk__gt=pk) | Q(due_at=None)


def counts(brand: Brand, person: Person, now: datetime) -> Counts:
    """All counts of the navigation in one statement: sums of the tally, and whether the first of a queue is overdue."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH tally AS (SELECT queue, owner_id, sum(delta) AS n FROM conversations_queuetally
                           WHERE brand_id = %(brand)s GROUP BY queue, owner_id),
                 health AS (SELECT count(*) FILTER (WHERE failures > 0) AS ill, count(*) AS n,
                                   max(last_success_at) AS last
                            FROM listening_source
                            WHERE brand_id = %(brand)s AND state = 'active' AND warm_until IS NULL)
            SELECT coalesce(sum(n) FILTER (WHERE queue = 'triage'), 0),
                   coalesce(sum(n) FILTER (WHERE owner_id = %(me)s AND queue <> 'closed'), 0),
                   coalesce(sum(n) FILTER (WHERE queue = 'waiting'), 0),
                   coalesce(sum(n) FILTER (WHERE queue = 'snoozed'), 0),
                   coalesce(sum(n) FILTER (WHERE queue = 'closed'), 0), coalesce(sum(n), 0),
                   EXISTS (SELECT 1 FROM conversations_thread
                           WHERE brand_id = %(brand)s AND queue = 'triage' AND due_at < %(now)s),
                   EXISTS (SELECT 1 FROM conversations_thread
                           WHERE brand_id = %(brand)s AND owner_id = %(me)s AND state <> 'closed' AND due_at < %(now)s),
                   (SELECT ill FROM health), (SELECT last FROM health), (SELECT n > 0 FROM health)
            FROM tally
            """,
            {"brand": brand.pk, "me": person.pk, "now": now},
        )
        *totals, late_triage, late_mine, ill, last, some = cursor.fetchone()
    return Counts(
        totals={queue: int(n) for queue, n in zip(QUEUES, totals, strict=True)},
        overdue={"triage": late_triage, "mine": late_mine},
        sources_in_trouble=ill,
        last_check=last,
        has_sources=some,
    )


def grouped(threads: list[Thread], queue: str, now: datetime, midnight: datetime) -> list[dict[str, Any]]:
    """Rows under their headings: overdue, within an hour, today (until `midnight` of the reader), later, none."""
    if queue not in BY_DUE:
        return [{"key": "", "threads": threads}] if threads else []
    groups: dict[str, list[Thread]] = {}
    for thread in threads:
        groups.setdefault(_group(thread.due_at, now, midnight), []).append(thread)
    return [{"key": key, "threads": rows} for key, rows in groups.items()]


def _group(due_at: datetime | None, now: datetime, midnight: datetime) -> str:
    if due_at is None:
        return "none"
    if due_at < now:
        return "overdue"
    if due_at < now + timedelta(hours=1):
        return "hour"
    return "today" if due_at < midnight else "later"


def next_in_queue(thread: Thread, person: Person, queue: str) -> int | None:
    """The thread behind this one in the queue, so that closing goes on to the next; None at the end."""
    behind = in_queue(thread.brand, person, queue).exclude(pk=thread.pk)
    by_due = queue in BY_DUE
    ordered = (
        behind.order_by(F("due_at").asc(nulls_last=True), "id")
        if by_due
        else behind.order_by("-last_message_at", "-id")
    )
    return ordered.filter(_behind(_mark(thread, by_due), by_due)).values_list("pk", flat=True).first()


def fold_tally() -> int:
    """Folds the tally's rows together, in the background; gives how many took their place. The sums do not change."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH old AS (DELETE FROM conversations_queuetally WHERE ctid = ANY (ARRAY(
                             SELECT ctid FROM conversations_queuetally ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED))
                         RETURNING brand_id, queue, owner_id, delta)
            INSERT INTO conversations_queuetally (brand_id, queue, owner_id, delta)
            SELECT brand_id, queue, owner_id, sum(delta) FROM old
            GROUP BY brand_id, queue, owner_id HAVING sum(delta) <> 0
            """
        )
        return int(cursor.rowcount)
