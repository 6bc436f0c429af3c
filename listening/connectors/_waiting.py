"""When a server wants to be asked again, as its headers say it (RFC 9110 10.2.3, RFC 9111 5.2 and 5.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SHORTEST, LONGEST = 1.0, 6 * 3600.0
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,12})", re.IGNORECASE)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until another try makes sense, from `Retry-After` (seconds or an HTTP date), at least 1 s and at most
    6 h. None if the header is missing or says nothing that can be understood."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"-?\d{1,20}(\.\d+)?", value):
        return _bounded(float(value))
    at = _http_date(value)
    return _bounded((at - now).total_seconds()) if at else None


def freshness(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds for which the answer stays fresh (`Cache-Control: max-age`, else `Expires`): a floor for the interval,
    at most 6 h. None where the server says nothing, or that the answer is stale at once."""
    if match := _MAX_AGE.search(headers.get("cache-control", "")):
        seconds = float(match[1])
    elif expires := _http_date(headers.get("expires", "")):
        seconds = (expires - (_http_date(headers.get("date", "")) or now)).total_seconds()
    else:
        return None
    return min(seconds, LONGEST) if seconds > 0 else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, SHORTEST), LONGEST)


def _http_date(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
