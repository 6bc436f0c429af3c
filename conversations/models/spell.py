from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand
from conversations.models.targets import CalendarVersion, TargetVersion
from conversations.models.thread import Message, Thread
from listening.models import Source


class Spell(models.Model):
    """A waiting spell: from the earliest unanswered inbound to the first qualifying reply (docs/metrics.md).

    Two clocks (team's, author's), each in calendar and in business seconds; written once, when it ends.
    """

    class Outcome(models.TextChoices):
        OPEN = "open", _("Open")
        ANSWERED = "answered", _("Answered")
        NO_REPLY_NEEDED = "no_reply", _("No reply needed")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        SPAM = "spam", _("Spam")

    class LeftOut(models.TextChoices):
        LATE_FIND = "late_find", _("Found more than 24 hours after it was said")
        PRIVATE = "private", _("Direct message")

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="spells")
    brand = models.ForeignKey(Brand, on_delete=models.PROTECT)
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    number = models.PositiveIntegerField()
    """1 is the first: its reply time is the first response time."""
    started_by = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="+")
    author_started_at = models.DateTimeField()
    """Author's clock: when the network published it."""
    team_started_at = models.DateTimeField()
    """Team clock: when we could know."""
    calendar = models.ForeignKey(CalendarVersion, on_delete=models.PROTECT)
    target = models.ForeignKey(TargetVersion, on_delete=models.PROTECT)
    """The versions in force when it started: a later change moves no figure."""
    due_at = models.DateTimeField()
    first_decided_at = models.DateTimeField(null=True)
    """First human decision (assign, label, dismiss, reply): the end of triage."""
    left_out = models.CharField(max_length=12, choices=LeftOut, blank=True)
    """Why it is not in the figures; shown with a count."""

    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.OPEN)
    reason = models.CharField(max_length=20, blank=True)
    ended_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="+")
    team_seconds = models.FloatField(null=True)
    team_business_seconds = models.FloatField(null=True)
    author_seconds = models.FloatField(null=True)
    author_business_seconds = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["thread", "number"], name="spell_number_once"),
            models.UniqueConstraint(fields=["thread"], name="spell_open_once", condition=Q(outcome="open")),
            models.CheckConstraint(
                name="spell_ends_whole",
                condition=Q(outcome="open", ended_at=None)
                | ~Q(outcome="open") & Q(ended_at__isnull=False, team_seconds__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["brand", "team_started_at"], name="spell_started"),
            models.Index(fields=["brand", "due_at"], name="spell_overdue", condition=Q(outcome="open")),
        ]
