"""Start-up checks: what must be true before the first request."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.authority import Can


def patterns(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    """Every URL of the product."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry)
        else:
            yield entry


@register()
def every_url_has_a_sign(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"The URL «{pattern.pattern}» names no capability.",
            hint="Make it with accounts.doors.door(…, can=Can.…).",
            id="ascolto.E001",
        )
        for pattern in patterns()
        if not isinstance(getattr(pattern.callback, "capability", None), Can)
    ]


@register()
def secrets_are_there(**_: Any) -> list[CheckMessage]:
    if settings.SECRET_KEY:
        return []
    return [
        Error(
            "SECRET_KEY is empty.", hint="Set it in the environment, at least 50 random characters.", id="ascolto.E002"
        )
    ]
