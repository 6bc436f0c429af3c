from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Engagement, Person, Staff
from conversations.models.thread import Message, Thread


class Advice(models.Model):
    """A consultant's coaching note on what was said. Never public: no code path leads from here to a reply."""

    class Kind(models.TextChoices):
        TONE = "tone", _("Tone")
        FACTS = "facts", _("Facts")
        ESCALATE = "escalate", _("Escalate")
        PRAISE = "praise", _("Praise")

    class Matters(models.TextChoices):
        BEFORE = "before", _("Before replying")
        NEXT = "next", _("Next time")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        TAKEN = "taken", _("Taken up")
        DECLINED = "declined", _("Not followed")
        EXPIRED = "expired", _("Expired")

    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="advice")
    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="advice")
    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT)
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="advice")
    quote = models.CharField(max_length=1000, blank=True)
    """The words it is about."""
    kinds = ArrayField(models.CharField(max_length=10, choices=Kind))
    matters = models.CharField(max_length=8, choices=Matters, default=Matters.BEFORE)
    text = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    created_at = models.DateTimeField()
    decided_by = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT)
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "advice"
        constraints = [
            models.CheckConstraint(
                name="advice_declined_with_reason", condition=~Q(state="declined") | Q(reason__gt="")
            ),
            models.CheckConstraint(
                name="advice_decided_by_somebody",
                condition=~Q(state__in=["taken", "declined"]) | Q(decided_by__isnull=False, decided_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["thread", "created_at"], name="advice_timeline")]
