"""What a thread's page shows, oldest first: messages, replies on their way, notes, advice, events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from accounts.models import Engagement, Person, Staff
from accounts.templatetags.ascolto import day_time
from conversations.access import advice_of, public_messages
from conversations.models import Advice, Event, Label, Message, Reply, Spell, Thread, ThreadRead

NO_ENTRY = (Reply.State.DRAFT, Reply.State.SENT, Reply.State.CANCELLED)
"""States in which a reply is not an entry of its own: a draft stands in the composer, a sent one is a message."""
SILENT_EVENTS = ("answered", "answered_outside")
"""Events that reports read and pages need not show: the message itself stands there."""


@dataclass(slots=True)
class Entry:
    kind: str
    at: datetime
    of: Any
    new: bool = False
    message_id: int | None = None
    """The message it is, if it is one."""
    advice: list[Advice] = field(default_factory=list)


def for_team(thread: Thread, read_at: datetime | None) -> list[Entry]:
    """Everything, for staff. The first inbound message that came after `read_at` is marked as new."""
    entries = [_of_message(message) for message in _messages(thread)]
    if read_at is not None:
        first = next((e for e in entries if e.kind == "message" and e.of.team_at > read_at), None)
        if first:
            first.new = True
    replies = thread.replies.select_related("account", "author__person", "approver__person").exclude(state__in=NO_ENTRY)
    entries += [Entry("reply", reply.changed_at, reply) for reply in replies]
    entries += [Entry("note", note.at, note) for note in thread.notes.select_related("author__person")]
    advice = thread.advice.select_related("author", "engagement__agency", "decided_by__person")
    entries += [Entry("advice", one.created_at, one) for one in advice]
    events = thread.events.select_related("person").exclude(kind__in=SILENT_EVENTS)
    entries += [Entry("event", event.at, event) for event in _in_words(events)]
    return sorted(entries, key=lambda entry: (entry.at, _is_consequence(entry)))


def _is_consequence(entry: Entry) -> bool:
    """What follows from a move stands behind it, though both have the same time."""
    return entry.kind == "event" and entry.of.kind == "due_moved"


def for_consultant(thread: Thread, engagement: Engagement) -> list[Entry]:
    """The public conversation alone, with the advice of the own agency beside the message that it is about."""
    entries = [_of_message(message) for message in _public_messages(thread)]
    by_message: dict[int, list[Advice]] = {}
    for one in (
        advice_of(engagement)
        .filter(thread=thread)
        .select_related("author")
        .only(*ADVICE, "author__name")
        .order_by("created_at")
    ):
        by_message.setdefault(one.message_id, []).append(one)
    for entry in entries:
        entry.advice = by_message.get(entry.message_id or 0, [])
    return entries


ADVICE = (
    "id",
    "thread_id",
    "message_id",
    "quote",
    "kinds",
    "matters",
    "text",
    "state",
    "created_at",
    "reason",
    "author_id",
    "engagement_id",
)
ITEM = (
    "url", "title", "text", "warning", "media", "network", "author_name", "author_handle", "author_url",
    "published_at", "removed_at", "language", "hidden_words", "ours",
)  # fmt: skip
REPLY = ("text", "state", "sent_at", "remote_url", "elsewhere", "account_id", "thread_id")


def _messages(thread: Thread) -> Iterable[Message]:
    related = ("item", "reply__account", "reply__author__person", "reply__approver__person")
    return thread.messages.order_by("at", "pk").select_related(*related)


def _public_messages(thread: Thread) -> Iterable[Message]:
    """With the columns that a consultant's page shows; the database gives it no others."""
    columns = (
        *("thread_id", "direction", "at", "team_at", "removed_at", "reply__account__handle"),
        *(f"item__{column}" for column in ITEM),
        *(f"reply__{column}" for column in REPLY),
    )
    return public_messages(thread).order_by("at", "pk").select_related("item", "reply__account").only(*columns)


def _of_message(message: Message) -> Entry:
    if message.reply is not None:
        message.reply.message = message
        return Entry("reply", message.at, message.reply, message_id=message.pk)
    kind = {
        Message.Direction.INBOUND: "message",
        Message.Direction.OUTBOUND: "native",
        Message.Direction.CONTEXT: "context",
    }
    return Entry(kind[Message.Direction(message.direction)], message.at, message, message_id=message.pk)


def _in_words(events: Iterable[Event]) -> list[Event]:
    """Events with what their line needs to be read: names of colleagues and labels, moments, reasons."""
    events = list(events)
    staff = {e.data.get("to") for e in events if e.kind == "assigned"}
    names = dict(Staff.objects.filter(pk__in=staff - {None}).values_list("pk", "person__name")) if staff else {}
    labels = {pk for e in events if e.kind == "labelled" for pk in (*e.data["added"], *e.data["removed"])}
    label_names = dict(Label.objects.filter(pk__in=labels).values_list("pk", "name")) if labels else {}
    return [line for event in events for line in _lines(event, names, label_names)]


def _lines(event: Event, names: dict[int, str], labels: dict[int, str]) -> list[Event]:
    data = event.data
    if event.kind == "assigned":
        owner = data.get("to")
        event.kind = "unassigned" if owner is None else "taken" if owner == event.person_id else "assigned"
        data["name"] = names.get(owner, "")
    elif event.kind == "closed":
        data["reason"] = Thread.EndReason(data["reason"]).label
    elif event.kind == "snoozed":
        data["until"] = _moment(data["until"])
    elif event.kind == "due_moved":
        data["until"] = _moment(data["to"])
    elif event.kind == "labelled":
        kinds = [("labelled", pk) for pk in data["added"]] + [("unlabelled", pk) for pk in data["removed"]]
        return [
            Event(at=event.at, person=event.person, kind=kind, data={"name": labels.get(pk, "")}) for kind, pk in kinds
        ]
    return [event]


def _moment(text: str) -> str:
    return day_time(timezone.localtime(datetime.fromisoformat(text)))


def earlier(thread: Thread) -> list[Thread]:
    """Other conversations with the same contact, newest first."""
    answered = Spell.objects.filter(thread=OuterRef("pk"), outcome=Spell.Outcome.ANSWERED).order_by("number")
    others = Thread.objects.filter(contact_id=thread.contact_id, brand_id=thread.brand_id).exclude(pk=thread.pk)
    timed = others.annotate(answered_seconds=Subquery(answered.values("team_business_seconds")[:1]))  # type: ignore[no-redef]
    return list(timed.order_by("-last_message_at")[:6])


def mark_read(thread: Thread, person: Person, now: datetime) -> datetime | None:
    """Notes that a colleague has read the thread as it is; gives when they had read it before."""
    read = thread.reads.filter(person=person).first()
    before = read.at if read else None
    if read is None or read.version < thread.version:
        ThreadRead.objects.bulk_create(
            [ThreadRead(thread=thread, person=person, version=thread.version, at=now)],
            update_conflicts=True,
            unique_fields=["thread", "person"],
            update_fields=["version", "at"],
        )
    return before
