"""The link by which somebody sets their password: signed, for one hour, for one use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordResetConfirmView
from django.urls import reverse, reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import Login


def link_for(login: Login) -> str:
    """An absolute address; it ends with use, with the hour (PASSWORD_RESET_TIMEOUT), and with the next log-in."""
    uid = urlsafe_base64_encode(force_bytes(login.pk))
    path = reverse("set-password", args=[uid, default_token_generator.make_token(login)])
    return f"{settings.PUBLIC_URL}{path}"


class OwnPasswordForm(SetPasswordForm):
    def save(self, commit: bool = True) -> Any:
        """Writes the password alone: the web process may write nothing else of a log-in."""
        self.user.set_password(self.cleaned_data["new_password1"])
        self.user.save(update_fields=["password"])
        return self.user


class SetPassword(PasswordResetConfirmView):
    template_name = "accounts/set_password.html"
    form_class = OwnPasswordForm
    success_url = reverse_lazy("log-in")
