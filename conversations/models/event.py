from django.db import models

from accounts.models import Person
from conversations.models.thread import Thread


class Event(models.Model):
    """A fact in the life of a thread: who did what, when. Reports read these and spells, no column that edits move."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    person = models.ForeignKey(Person, null=True, on_delete=models.PROTECT)
    """Empty: the machine, or the network."""
    kind = models.CharField(max_length=30)
    data = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["thread", "at", "id"], name="event_timeline")]
