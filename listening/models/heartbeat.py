from django.db import models


class Heartbeat(models.Model):
    """A process that runs by the clock says that it lives. Health reads it."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
