"""What every request passes: the headers, and the binding to the database in the person's name."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from accounts.binding import bound, role_of, take

Next = Callable[[HttpRequest], HttpResponse]


def headers(get_response: Next) -> Next:
    """Headers that Django has no setting for, on every answer, errors and fragments included."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
        if not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


class Binding:
    """One transaction for the request, under the role of whoever is signed in.

    Session and person are read as `web`; then the page runs as `staff` or `consultant`. A view that raises, or answers
    with a 5xx, leaves nothing behind: without the explicit rollback a rendered error page would commit.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with bound("web"):
            person = request.user.person if request.user.is_authenticated else None
            if person is not None:
                take(role_of(person), person.pk)
            request.person = person  # type: ignore[attr-defined]
            language = (person and person.language) or translation.get_language_from_request(request)
            with translation.override(language), timezone.override(ZoneInfo(person.zone if person else "UTC")):
                response = self.get_response(request)
                response.headers.setdefault("Content-Language", translation.get_language() or "en")
            if response.status_code >= 500:
                transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        transaction.set_rollback(True)
