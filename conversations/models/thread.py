from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand, Person, Staff
from conversations.models.contact import Contact
from listening.models import Account, Item, Source


class Thread(models.Model):
    """One public conversation with its author. 'Waiting' is not a state: it follows from the open spell."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        SNOOZED = "snoozed", _("Snoozed")
        CLOSED = "closed", _("Closed")

    class EndReason(models.TextChoices):
        ANSWERED = "answered", _("Answered")
        THANKS_ONLY = "thanks_only", _("No reply needed: thanks only")
        NOT_US = "not_us", _("Not about us")
        NO_REPLY = "no_reply", _("No reply needed")
        DUPLICATE = "duplicate", _("Duplicate")
        SPAM = "spam", _("Spam")
        WITHDRAWN = "withdrawn", _("Withdrawn by the author")
        HISTORY = "history", _("Found later: history")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="threads")
    scope = models.CharField(max_length=80)
    root_key = models.CharField(max_length=2000)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="threads")
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT)
    """The identity that was addressed and would answer; empty where no reply can be sent."""
    network = models.CharField(max_length=20)
    subject = models.CharField(max_length=300, blank=True)
    snippet = models.CharField(max_length=300, blank=True)
    """The beginning of the last thing they said."""
    language = models.CharField(max_length=20, blank=True)
    via = models.CharField(max_length=300, blank=True)
    """Handle or place, as the list shows it."""
    private = models.BooleanField(default=False)
    """A direct message: hidden from consultants, out of public counts, answered only as direct."""
    history = models.BooleanField(default=False)
    """Found by the first poll of a new source and older than a day: no spell, no due time."""

    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    end_reason = models.CharField(max_length=20, choices=EndReason, blank=True)
    owner = models.ForeignKey(Staff, null=True, blank=True, on_delete=models.PROTECT, related_name="threads")
    snoozed_until = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)
    """Counts what was said; a reply written to an older version is refused."""

    opened_at = models.DateTimeField()
    last_message_at = models.DateTimeField()
    last_inbound_at = models.DateTimeField()
    last_ours = models.BooleanField(default=False)
    """The last word is ours."""
    waiting_since = models.DateTimeField(null=True)
    """Start of the open spell; empty when nobody waits."""
    due_at = models.DateTimeField(null=True)
    open_advice = models.PositiveSmallIntegerField(default=0)
    queue = models.GeneratedField(
        expression=Case(
            When(state="closed", then=Value("closed")),
            When(state="snoozed", then=Value("snoozed")),
            When(waiting_since=None, last_ours=True, then=Value("waiting")),
            When(owner=None, then=Value("triage")),
            default=Value("owned"),
        ),
        output_field=models.CharField(max_length=10),
        db_persist=True,
    )
    """Where it stands: derived by the database from the columns above, so that no path can forget it."""

    labels: models.ManyToManyField[Any, Any] = models.ManyToManyField(
        "conversations.Label", through="conversations.ThreadLabel"
    )

    # What a page adds for its reader (queues.py, views/inbox.py); no columns.
    label_list: list[Any]
    unread: bool
    target_seconds: float | None
    answered_seconds: float | None
    resumes_at: datetime | None
    live_url: str

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["brand", "scope", "root_key", "contact"], name="thread_once"),
            models.CheckConstraint(
                name="thread_closed_with_reason",
                condition=Q(state="closed", end_reason__gt="") | ~Q(state="closed") & Q(end_reason=""),
            ),
            models.CheckConstraint(
                name="thread_snoozed_until",
                condition=Q(state="snoozed", snoozed_until__isnull=False) | ~Q(state="snoozed") & Q(snoozed_until=None),
            ),
        ]
        indexes = [
            models.Index("brand", "queue", models.F("due_at").asc(nulls_last=True), "id", name="thread_queue_due"),
            models.Index(
                "brand", "queue", models.F("last_message_at").desc(), models.F("id").desc(), name="thread_queue_newest"
            ),
            models.Index("brand", models.F("last_message_at").desc(), models.F("id").desc(), name="thread_newest"),
            models.Index(
                "owner",
                "brand",
                models.F("due_at").asc(nulls_last=True),
                "id",
                name="thread_mine",
                condition=~Q(state="closed"),
            ),
            models.Index(fields=["snoozed_until"], name="thread_wakes", condition=Q(state="snoozed")),
            models.Index(fields=["contact", "-last_message_at"], name="thread_of_contact"),
        ]


class Message(models.Model):
    """One entry of the public conversation: what they said, what we said, what others said around it."""

    class Direction(models.TextChoices):
        INBOUND = "inbound", _("Inbound")
        OUTBOUND = "outbound", _("Outbound")
        CONTEXT = "context", _("Context")

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    direction = models.CharField(max_length=10, choices=Direction)
    item = models.ForeignKey(Item, null=True, on_delete=models.PROTECT, related_name="messages")
    """The words, for all that came from a network."""
    reply = models.OneToOneField("conversations.Reply", null=True, on_delete=models.PROTECT, related_name="message")
    """The words, for what we sent from here."""
    at = models.DateTimeField()
    """When it was said."""
    team_at = models.DateTimeField()
    """When the team could know: the later of said and discovered."""
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["thread", "item"], name="message_once")]
        indexes = [models.Index(fields=["thread", "at", "id"], name="message_timeline")]


class ThreadRead(models.Model):
    """Up to which version a colleague has read a thread."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="reads")
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    version = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["thread", "person"], name="thread_read_once")]
