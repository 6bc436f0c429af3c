from __future__ import annotations

from django.db import models

from accounts.models.person import Staff


class Brand(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    tagline = models.CharField(max_length=120, blank=True)
    zone = models.CharField(max_length=64, default="Europe/Rome")
    """The IANA zone of its weeks and reports."""
    language = models.CharField(max_length=8, default="it")
    archived_at = models.DateTimeField(null=True, blank=True)
    staff: models.ManyToManyField[Staff, Membership] = models.ManyToManyField(
        Staff, through="Membership", related_name="brands"
    )

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """Which brands a colleague works for."""

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE)
    staff = models.ForeignKey(Staff, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "staff"], name="membership_once")]
