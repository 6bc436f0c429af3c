"""Dates in feeds that feedparser can't read, or reads without their zone."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Final

_ITALIAN: Final = {
    "gen": "Jan", "feb": "Feb", "mar": "Mar", "apr": "Apr", "mag": "May", "giu": "Jun",
    "lug": "Jul", "ago": "Aug", "set": "Sep", "ott": "Oct", "nov": "Nov", "dic": "Dec",
}  # fmt: skip
_MONTH: Final = re.compile(r"\b(gen|feb|mar|apr|mag|giu|lug|ago|set|ott|nov|dic)[a-z]*\.?(?=\s+\d)", re.IGNORECASE)
_DAY_NAME: Final = re.compile(r"^\s*[^\W\d]+[.,]?\s+(?=\d)")
_ZONES: Final = {"WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3}


def moment(entry: dict[str, Any]) -> str | None:
    """When an entry was published, else updated, as ISO 8601 in UTC. A date without a zone is taken as UTC."""
    for name in ("published", "updated", "created"):
        raw = dict.get(entry, name)
        if not isinstance(raw, str) or not raw:
            continue
        parsed = dict.get(entry, f"{name}_parsed")
        # feedparser takes zones it doesn't know, such as CET, for UTC.
        own = _own(raw) if not parsed or raw.rpartition(" ")[2].upper() in _ZONES else None
        if found := own or (_iso(calendar.timegm(parsed)) if parsed else None):
            return found
    return None


def _own(raw: str) -> str | None:
    text = _MONTH.sub(lambda match: _ITALIAN[match[1].lower()], _DAY_NAME.sub("", raw[:100]))
    words, _, zone = text.rpartition(" ")
    if zone.upper() in _ZONES:
        text = f"{words} {_ZONES[zone.upper()] * 100:+05d}"
    if ":" not in text:
        text += " 00:00"
    try:
        parsed = parsedate_tz(text)
        return _iso(mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError, TypeError):
        return None


def _iso(seconds: float) -> str | None:
    """None also for the years 1 and 1970, in which programs put what they don't know."""
    if seconds < 86400:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def from_iso(text: str) -> str | None:
    """A date of RFC 3339, as JSON Feed writes it, in UTC. None for anything else."""
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None
