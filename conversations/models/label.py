from django.db import models

from accounts.models import Brand
from conversations.models.thread import Thread


class Label(models.Model):
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="labels")
    name = models.CharField(max_length=60)
    colour = models.PositiveSmallIntegerField(default=1)
    """1 to 6: the dot's colour in the design."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "name"], name="label_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ThreadLabel(models.Model):
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE)
    label = models.ForeignKey(Label, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["thread", "label"], name="thread_label_once")]
