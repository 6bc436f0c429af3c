from django.db import models
from django.utils.translation import gettext_lazy as _

from listening.models.source import Source


class Coverage(models.Model):
    """Per source and hour: did we listen? '0 mentions' and 'we were deaf' look different."""

    class Status(models.TextChoices):
        CHECKED = "checked", _("Listened")
        PARTIAL = "partial", _("Partly")
        THROTTLED = "throttled", _("Slowed down")
        FAILED = "failed", _("Not listened")
        PAUSED = "paused", _("Paused")

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="coverage")
    hour = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status)
    """The worst that happened in the hour, unless a later complete poll covered the gap."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "hour"], name="coverage_once")]


class Fetch(models.Model):
    """One poll of one source: the last ones are shown, older ones go."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="fetches")
    at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Coverage.Status)
    unchanged = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField(null=True)
    """HTTP status, where there was an answer."""
    items = models.PositiveIntegerField(default=0)
    mentions = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    words = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [models.Index(fields=["source", "-at"], name="fetch_newest")]
