"""Signing in and out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.access import brands_of, engaged_brands_of, last_engagement
from accounts.models import Person

DEMO_LOGINS = (
    ("manager@demo.example", "manager"),
    ("community@demo.example", "community_manager"),
    ("consultant@demo.example", "consultant"),
)
DEMO_PASSWORD = "ascolto-demo"


class LogInForm(AuthenticationForm):
    username = UsernameField(max_length=254)  # Django's own form only tells the browser so


class LogIn(LoginView):
    template_name = "accounts/log_in.html"
    form_class = LogInForm
    redirect_authenticated_user = True

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Where `?next=` leads: to a path of ours, and not back here."""
        address = super().get_redirect_url()
        return address if address.startswith("/") and address != self.request.path else ""

    def get_default_redirect_url(self) -> str:
        return reverse("home")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"next": self.get_redirect_url(), "demo_logins": demo_logins()}


def demo_logins() -> list[dict[str, str]]:
    """The three people of the demo; nowhere else."""
    if not settings.DEMO:
        return []
    return [{"email": email, "role": role, "password": DEMO_PASSWORD} for email, role in DEMO_LOGINS]


def locked(request: HttpRequest, credentials: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> HttpResponse:
    """Too many attempts: says so, whoever it was."""
    return render(request, "accounts/log_in.html", {"locked": True, "demo_logins": demo_logins()}, status=429)


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponseRedirect(reverse("log-in"), status=303)


def home(request: HttpRequest) -> HttpResponse:
    """Everybody's first page: the inbox for colleagues, the engagement for consultants."""
    person: Person = request.person  # type: ignore[attr-defined]
    if person.is_staff_member:
        brands = brands_of(person)
        if not brands:
            return render(request, "accounts/no_brand.html")
        return HttpResponseRedirect(reverse("inbox", args=[brands[0].slug, "triage"]))
    brand = engaged_brands_of(person, timezone.now()).first()
    if brand is None:
        return ended(request)
    return HttpResponseRedirect(reverse("consult-threads", args=[brand.slug]))


def ended(request: HttpRequest, status: int = 200) -> HttpResponse:
    """What a consultant without a running engagement sees, whatever the address."""
    last = last_engagement()
    return render(request, "accounts/engagement_ended.html", last, status=status)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """One page for what is not there and for what is out of sight; for a consultant whose engagement has ended, why."""
    person: Person | None = getattr(request, "person", None)
    if person is not None and not person.is_staff_member and not engaged_brands_of(person, timezone.now()).exists():
        return ended(request, status=404)
    return render(request, "404.html", status=404)
