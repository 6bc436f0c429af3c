"""Signing in with e-mail and password."""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

DEMO_DOMAIN = "@demo.example"


class Backend(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """The demo's logins, whose password everyone knows, work in the demo alone."""
        if (username or "").lower().endswith(DEMO_DOMAIN) and not (settings.DEMO or settings.TESTING):
            return None
        return super().authenticate(request, username=username, password=password, **kwargs)
