from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from accounts.models.person import Person


class LoginManager(BaseUserManager["Login"]):
    def get_by_natural_key(self, username: str | None) -> Login:
        return self.get(email__iexact=username)

    def get_queryset(self) -> models.QuerySet[Login]:
        """With the person: one query finds who asks, at every request."""
        return super().get_queryset().select_related("person")


class Login(AbstractBaseUser):
    """How a person signs in: Django's user model, with nothing but the credential."""

    person = models.OneToOneField(Person, on_delete=models.PROTECT, related_name="login")
    email = models.EmailField(unique=True)

    objects = LoginManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="login_email_once")]

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        return self.person.active
