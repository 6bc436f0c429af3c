from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.authority import Role


class Person(models.Model):
    """Somebody who works with Ascolto. Credentials stand apart (`Login`): a consultant's database role needs none."""

    class Kind(models.TextChoices):
        STAFF = "staff", _("Staff")
        CONSULTANT = "consultant", _("Consultant")

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind)
    """Never changes (a trigger refuses): who joins the company gets a new account."""
    role = models.CharField(max_length=20, choices=[(role.value, role.value) for role in Role])
    active = models.BooleanField(default=True)
    language = models.CharField(max_length=8, blank=True)
    """Empty: the browser's."""
    zone = models.CharField(max_length=64, default="Europe/Rome")
    theme = models.CharField(max_length=8, blank=True, choices=[("light", _("Light")), ("dark", _("Dark"))])
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["id", "kind"], name="person_id_and_kind"),
            models.CheckConstraint(
                name="person_kind_fits_role",
                condition=models.Q(kind="consultant", role=Role.CONSULTANT)
                | models.Q(kind="staff") & ~models.Q(role=Role.CONSULTANT),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_staff_member(self) -> bool:
        return self.kind == self.Kind.STAFF


class Staff(models.Model):
    """Internal people only: whatever speaks, owns or approves refers to this table, where consultants do not occur."""

    person = models.OneToOneField(Person, on_delete=models.PROTECT, primary_key=True)
    kind = models.CharField(max_length=12, default=Person.Kind.STAFF, editable=False)
    """Constant; with (person, kind) it refers to `Person`, so that no consultant can be entered (guards.sql)."""

    class Meta:
        constraints = [models.CheckConstraint(name="staff_kind", condition=models.Q(kind="staff"))]

    def __str__(self) -> str:
        return self.person.name
