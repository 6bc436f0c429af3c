from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Brand


class Topic(models.Model):
    """A saved query of a brand: any of these words, and also all of those, but none of the last."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="topics")
    name = models.CharField(max_length=120)
    any_of = ArrayField(models.CharField(max_length=100), default=list)
    all_of = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    none_of = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    version = models.PositiveIntegerField(default=1)
    """Counts the edits; each mention keeps the version that caught it."""
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "name"], name="topic_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
