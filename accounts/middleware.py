"""What every request passes: the headers, and the binding to the database in the person's name."""

from __future__ import annotations

import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from accounts import live
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


def live_poll(get_response: Next) -> Next:
    """A page that asks whether anything moved is answered here, from Redis alone, when nothing did: no query.
    Whatever else it is (moved, ended right, no Redis) goes through the full door."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path == "/live/" and request.method == "GET":
            session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
            if live.unchanged(request.GET.get("stamp", ""), session_key, time.time()):
                return HttpResponse(status=204)
        return get_response(request)

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
            request.person, request.raised = person, False  # type: ignore[attr-defined]
            language = (person and person.language) or translation.get_language_from_request(request)
            with translation.override(language), timezone.override(ZoneInfo(person.zone if person else "UTC")):
                response = self.get_response(request)
                response.headers.setdefault("Content-Language", translation.get_language() or "en")
            if request.raised or response.status_code >= 500:  # type: ignore[attr-defined]
                transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Be it only a 404. The rollback waits, because the page that says so may still ask the database."""
        request.raised = True  # type: ignore[attr-defined]
