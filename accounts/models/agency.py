from datetime import datetime

from django.db import models

from accounts.models.brand import Brand
from accounts.models.person import Person, Staff


class Agency(models.Model):
    name = models.CharField(max_length=120, unique=True)

    def __str__(self) -> str:
        return self.name


class Engagement(models.Model):
    """What an agency is asked for, for which brands, and until when. A consultant's access hangs on it alone."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="engagements")
    purpose = models.CharField(max_length=300)
    sponsor = models.ForeignKey(Staff, on_delete=models.PROTECT, related_name="sponsored")
    """The bridge: the colleague inside who answers for it."""
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    """Exclusive; every engagement has an end."""
    ended_at = models.DateTimeField(null=True, blank=True)
    """Ended early, at this moment."""
    brands = models.ManyToManyField(Brand, related_name="engagements")
    consultants = models.ManyToManyField(Person, related_name="engagements")

    class Meta:
        constraints = [
            models.CheckConstraint(name="engagement_ends_later", condition=models.Q(ends_at__gt=models.F("starts_at")))
        ]

    def __str__(self) -> str:
        return f"{self.agency}: {self.purpose}"

    @property
    def over_at(self) -> datetime:
        """From this moment on nothing is accessible."""
        return min(self.ends_at, self.ended_at or self.ends_at)

    def runs_at(self, now: datetime) -> bool:
        return self.starts_at <= now < self.over_at
