import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Staff
from conversations.models.thread import Message, Thread
from listening.models import Account


class Reply(models.Model):
    """A public message in the brand's name, in the outbox. Its states and moves stand in `conversations/outbox.py`."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        AWAITING_APPROVAL = "awaiting_approval", _("Awaiting approval")
        QUEUED = "queued", _("Leaving")
        SENDING = "sending", _("Publishing")
        SENT = "sent", _("Published")
        FAILED = "failed", _("Not published")
        UNCERTAIN = "uncertain", _("Outcome uncertain")
        NEEDS_PERSON = "needs_person", _("A person decides")
        HELD = "held", _("Held")
        CANCELLED = "cancelled", _("Cancelled")

    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="replies")
    parent = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="+")
    """The message that it answers."""
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT)
    """The identity that speaks; empty when somebody answered there by hand."""
    author = models.ForeignKey(Staff, on_delete=models.PROTECT, related_name="replies")
    approver = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT, related_name="+")
    elsewhere = models.BooleanField(default=False)
    """'I answered there': no message left from here, the link says where it is."""
    text = models.TextField(blank=True)
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT)
    reason = models.CharField(max_length=500, blank=True)
    """Why it is held, failed or uncertain, as an English source string."""
    seen_version = models.PositiveIntegerField(default=0)
    """The thread's version that its author had read."""
    client_token = models.UUIDField(unique=True, default=uuid.uuid4)
    """One per form shown: the same form posted twice is one reply."""
    key = models.UUIDField(default=uuid.uuid4)
    """What the network may know it by (Idempotency-Key)."""
    payload = models.JSONField(null=True)
    """The exact words that leave, frozen before the first byte."""
    not_before = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    looks = models.PositiveSmallIntegerField(default=0)
    first_attempt_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    remote_id = models.CharField(max_length=2000, blank=True)
    remote_url = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    """Our clock, when the network accepted it."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["thread", "author"], name="reply_one_draft", condition=Q(state="draft")),
            models.UniqueConstraint(
                fields=["account", "remote_id"],
                name="reply_remote_once",
                condition=Q(remote_id__gt="", account__isnull=False),
            ),
            models.CheckConstraint(
                name="reply_sent_is_known",
                condition=~Q(state="sent") | Q(sent_at__isnull=False) & (Q(remote_id__gt="") | Q(elsewhere=True)),
            ),
            models.CheckConstraint(name="reply_has_voice", condition=Q(elsewhere=True) | Q(account__isnull=False)),
        ]
        indexes = [
            models.Index(
                fields=["not_before"],
                name="reply_due",
                condition=Q(state__in=["queued", "sending", "uncertain"]),
            ),
            models.Index(fields=["thread", "created_at"], name="reply_of_thread"),
        ]


class ReplyAttempt(models.Model):
    """What happened each time we spoke or looked; for people who must decide, and for the record."""

    reply = models.ForeignKey(Reply, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    kind = models.CharField(max_length=6, choices=[("send", "send"), ("look", "look")])
    outcome = models.CharField(max_length=20)
    words = models.CharField(max_length=500, blank=True)
