from django.db import models

from accounts.models import Brand


class CalendarVersion(models.Model):
    """When the team works. A change is a new version, for new messages only: old figures do not move."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="calendars")
    zone = models.CharField(max_length=64)
    weekly = models.JSONField()
    """{"0": [["09:00", "18:00"]], …}: Monday is 0, local times, the end is exclusive ("24:00" is midnight)."""
    holidays = models.JSONField(default=dict)
    """{"2026-12-25": "Christmas"}"""
    valid_from = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "valid_from"], name="calendar_version_once")]


class TargetVersion(models.Model):
    """How soon an answer is due, in business seconds: one figure for the brand, others by label."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="targets")
    seconds = models.PositiveIntegerField()
    by_label = models.JSONField(default=dict)
    """{label id: seconds}; the shortest of a thread's labels counts."""
    valid_from = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "valid_from"], name="target_version_once")]
