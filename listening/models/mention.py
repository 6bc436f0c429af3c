from django.db import models
from django.db.models import Q

from accounts.models import Brand
from listening.models.item import Item
from listening.models.source import Source
from listening.models.topic import Topic


class Mention(models.Model):
    """An item that concerns a brand: one row, however many topics or sources caught it."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="mentions")
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    """The one that saw it first."""
    addressed = models.BooleanField(default=False)
    """It spoke to us, or in a place of ours: no topic was asked. Neither addressed nor caught: context only."""
    first_poll = models.BooleanField(default=False)
    """It came with the first poll of a new source: if it is old, it is history."""
    created_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    """When conversations made it a message. Empty is work to do, found by a sweep if the bell was not heard."""
    changed_at = models.DateTimeField(null=True)
    """The item was edited or removed after it was taken; emptied when conversations looked again."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "item"], name="mention_once")]
        indexes = [
            models.Index(fields=["created_at"], name="mention_to_take", condition=Q(taken_at=None)),
            models.Index(fields=["changed_at"], name="mention_changed", condition=Q(changed_at__isnull=False)),
        ]


class MentionTopic(models.Model):
    """Why a mention came in: the topic, at this version, by these words."""

    mention = models.ForeignKey(Mention, on_delete=models.CASCADE, related_name="caught_by")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE)
    topic_version = models.PositiveIntegerField()
    words = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mention", "topic"], name="mention_topic_once")]
