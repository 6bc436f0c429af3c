"""A request and a reply as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

Ending = Literal["whole", "half", "drop", "hang"]
"""How the answer leaves: complete, cut in the middle, connection reset before a byte, or held back."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    base: str
    """Address of this server as the caller wrote it, without a slash at the end."""

    def first(self, name: str, default: str = "") -> str:
        return next((value for each, value in self.query if each == name), default)

    def form(self) -> dict[str, Any]:
        """Fields of the body, from JSON or a form. {} if it is neither."""
        if "json" in self.headers.get("content-type", ""):
            try:
                value = json.loads(self.body)
            except ValueError:
                return {}
            return value if isinstance(value, dict) else {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = "whole"
    seconds: float = 0.0
    """How long a held answer is held."""


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Reply(status, json.dumps(value).encode(), kind | dict(headers or {}))


def refusal(status: int, text: str) -> Reply:
    """An error as Mastodon words it."""
    return as_json({"error": text}, status)
