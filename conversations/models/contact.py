from django.db import models
from django.utils.translation import gettext_lazy as _


class Contact(models.Model):
    """Somebody the company speaks with, across networks and years; it outlives everyone who answered them."""

    class Kind(models.TextChoices):
        PERSON = "person", _("Person")
        OUTLET = "outlet", _("Outlet")

    name = models.CharField(max_length=300)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    since = models.DateTimeField()
    """The first time they spoke of us, as far as we know."""

    def __str__(self) -> str:
        return self.name


class ContactIdentity(models.Model):
    """How a network knows a contact."""

    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="identities")
    network = models.CharField(max_length=20)
    remote_id = models.CharField(max_length=500)
    """The network's lasting id; where there is none, the handle, or for feeds the source and the name."""
    handle = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=2000, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["network", "remote_id"], name="identity_once")]
