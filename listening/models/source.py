from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand
from listening.models.account import Account


class Source(models.Model):
    """A place we listen to, with all that the next poll needs. The schedule lives here, not in the broker."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="sources")
    kind = models.CharField(max_length=20)
    """The connector, by its name in the register."""
    address = models.CharField(max_length=2000)
    base_url = models.CharField(max_length=500, blank=True)
    name = models.CharField(max_length=300)
    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.PROTECT, related_name="sources")
    comments_of = models.ForeignKey("listening.Item", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    """A comment feed of an item of ours: everything in it is a mention."""
    warm_until = models.DateTimeField(null=True)
    """A conversation kept warm (`listening.watching`): polled like any source, until then, and shown to nobody."""
    own_place = models.BooleanField(default=False)
    """Our own place (account notifications, comments of our blog): what is said there is a mention, no topic asked."""
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    added_at = models.DateTimeField()

    cursor = models.JSONField(default=dict)
    next_poll_at = models.DateTimeField()
    interval = models.FloatField()
    """Seconds between polls, adapted to the source's rhythm."""
    steady = models.BooleanField(default=False)
    """The rhythm is fixed by hand: never adapted."""
    lease_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    failures = models.PositiveIntegerField(default=0)
    """In a row; a success makes it 0."""
    last_attempt_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    last_item_at = models.DateTimeField(null=True)
    trouble_code = models.CharField(max_length=20, blank=True)
    trouble_words = models.CharField(max_length=500, blank=True)
    trouble_details = models.CharField(max_length=1000, blank=True)
    moved_to = models.CharField(max_length=2000, blank=True)
    moved_times = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "kind", "base_url", "address"], name="source_once")]
        indexes = [models.Index(fields=["next_poll_at"], name="source_due", condition=Q(state="active"))]

    def __str__(self) -> str:
        return self.name
