"""How the network misbehaves when somebody answers through it.

A fault is {`what`, `published`, `status`, `headers`, `body`, `seconds`, `times`}:
`what` is timeout, drop, half, empty, html, status, lag or delete; `published` says whether the post is kept.
"""

from __future__ import annotations

import json
from typing import Any

from .exchange import Reply, as_json

HOLD_SECONDS = 60.0
Fault = dict[str, Any]

TROUBLES: dict[str, Fault] = {
    "timeout": {"what": "timeout", "published": True},
    "timeout_lost": {"what": "timeout", "published": False},
    "drop": {"what": "drop", "published": True},
    "half": {"what": "half", "published": True},
    "busy": {"what": "status", "status": 429, "published": False, "headers": {"Retry-After": "5"}},
    "error": {"what": "status", "status": 500, "published": True},
    "error_lost": {"what": "status", "status": 500, "published": False},
    "refuse": {"what": "status", "status": 422, "published": False},
    "delete": {"what": "delete", "published": True},
}
"""The ones a visitor can choose, by their name in `words`."""

TEXTS = {
    400: "Bad Request",
    401: "The access token is invalid",
    403: "This action is not allowed",
    404: "Record not found",
    422: "Validation failed: Text character limit of 500 exceeded",
    429: "Too many requests",
}


def publishes(fault: Fault) -> bool:
    return bool(fault.get("published", fault.get("what") != "status"))


def act_out(fault: Fault, well: Reply) -> Reply:
    """The reply under a fault, given the one a healthy network would make."""
    what = fault.get("what")
    if what == "timeout":
        well.ending, well.seconds = "hang", float(fault.get("seconds", HOLD_SECONDS))
    elif what in ("drop", "half"):
        well.ending = what
    elif what == "empty":
        well.body = b""
    elif what == "html":
        well = Reply(
            200, b"<!doctype html><title>Back soon</title><p>Down for maintenance.", {"Content-Type": "text/html"}
        )
    elif what == "status":
        well = _status(fault)
    return well


def _status(fault: Fault) -> Reply:
    status = int(fault.get("status", 500))
    body = fault.get("body")
    if isinstance(body, str):
        return Reply(status, body.encode(), {"Content-Type": "text/html"} | fault.get("headers", {}))
    if body is not None:
        return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"} | fault.get("headers", {}))
    if status >= 500:
        page = b"<!doctype html><title>We're sorry, but something went wrong (500)</title>"
        return Reply(status, page, {"Content-Type": "text/html"} | fault.get("headers", {}))
    reply = as_json({"error": TEXTS.get(status, "Error")}, status)
    reply.headers |= fault.get("headers", {})
    return reply
