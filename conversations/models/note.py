from django.db import models

from accounts.models import Staff
from conversations.models.thread import Thread


class Note(models.Model):
    """Inside the team. Another table than replies and advice: there is no 'private' flag to forget."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(Staff, on_delete=models.PROTECT)
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["thread", "at"], name="note_timeline")]
