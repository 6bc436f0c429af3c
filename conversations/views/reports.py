"""Response times of a brand: the page, the list behind each figure, and the CSV."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse


def report(request: HttpRequest, brand: str) -> HttpResponse:
    raise Http404


def csv(request: HttpRequest, brand: str) -> HttpResponse:
    raise Http404


def listed(request: HttpRequest, brand: str) -> HttpResponse:
    raise Http404
