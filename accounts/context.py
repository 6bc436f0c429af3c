from typing import Any

from django.http import HttpRequest


def person(request: HttpRequest) -> dict[str, Any]:
    """Who looks at the page, and in which theme."""
    somebody = getattr(request, "person", None)
    return {"person": somebody, "theme": somebody.theme if somebody else ""}
