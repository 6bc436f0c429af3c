"""The sign on every URL: which capability it needs, with which methods it is called. No sign, no start (checks.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from accounts.authority import Can, Role, allows
from accounts.binding import take

DIGITS = 18
"""Of the largest ids that fit."""
View = Callable[..., HttpResponseBase]


def door(route: str, view: View, *, can: Can, name: str, methods: str = "GET") -> URLPattern:
    """A URL with its sign. `methods`: those it answers, separated by white space; HEAD comes with GET."""
    allowed = methods.split() + (["HEAD"] if "GET" in methods.split() else [])

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        person = request.person  # type: ignore[attr-defined]
        if can is Can.BE_ANYONE:
            take("web")  # log-in, log-out, health: sessions and heartbeats, which a person's role need not reach
        elif person is None or not person.active:
            return _to_log_in(request)
        elif not allows(person, can):
            raise Http404 if person.role == Role.CONSULTANT else PermissionDenied
        if request.method not in allowed:
            return HttpResponseNotAllowed(allowed)
        if request.method == "POST":
            request.POST = _storable(request.POST)  # type: ignore[assignment]
        return view(request, *args, **kwargs)

    guarded.capability = can  # type: ignore[attr-defined]
    guarded.methods = allowed  # type: ignore[attr-defined]
    return path(route, guarded, name=name)


def whole(text: str) -> int:
    """The id in a form or an address; 0, which is nobody's, for anything else."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else 0


def _storable(form: QueryDict) -> QueryDict:
    """A form as PostgreSQL can keep it: NUL, which it refuses, becomes U+FFFD."""
    clean = form.copy()
    for name, values in form.lists():
        clean.setlist(name, [value.replace("\x00", "\ufffd") for value in values])
    return clean


def _to_log_in(request: HttpRequest) -> HttpResponse:
    """A page goes to log-in and comes back; a fragment or a form is told where to go, and keeps what was written."""
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=204)
        response.headers["HX-Redirect"] = redirect_to_login("/").url
        return response
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
