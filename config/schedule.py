"""What beat rings, and how often. Beat only rings: which work is due stands in the database."""

from __future__ import annotations

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {}
