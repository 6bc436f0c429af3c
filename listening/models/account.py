from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand, Staff


class Account(models.Model):
    """An identity of the brand on a network. Its credential stands apart, where the web process cannot read it."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="accounts")
    kind = models.CharField(max_length=20)
    base_url = models.CharField(max_length=500)
    remote_id = models.CharField(max_length=300)
    handle = models.CharField(max_length=300)
    name = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=2000, blank=True)
    scopes = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    """What the connector learned of the server: limits, whether it honours keys."""
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    state_words = models.CharField(max_length=500, blank=True)
    """Why it is paused, as an English source string."""
    connected_by = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT)
    connected_at = models.DateTimeField()
    checked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "kind", "base_url", "remote_id"], name="account_once")]

    def __str__(self) -> str:
        return f"@{self.handle.removeprefix('@')}"


class Credential(models.Model):
    """The token of an account, encrypted; the key stands outside the database."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True)
    cipher = models.BinaryField()
