"""What the environment says, read once: databases, broker, secrets. Without it, the embedded servers' own notes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = ("owner", "web", "sender", "poller")


def flag(name: str) -> bool:
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}


def words(name: str) -> list[str]:
    """A list in the environment, separated by commas or white space."""
    return os.environ.get(name, "").replace(",", " ").split()


def data_dir() -> Path:
    return Path(os.environ.get("ASCOLTO_DATA_DIR") or ROOT / ".ascolto").absolute()


def process() -> str:
    """Which login of the database this process uses: owner, web, sender or poller."""
    name = os.environ.get("ASCOLTO_PROCESS", "owner")
    if name not in PROCESSES:
        raise ImproperlyConfigured(f"ASCOLTO_PROCESS is {name!r}: use one of {', '.join(PROCESSES)}.")
    return name


def noted(file: str) -> dict[str, Any]:
    """The notes that the embedded servers leave in the data folder; empty before they ran."""
    try:
        return dict(json.loads((data_dir() / file).read_text()))
    except (FileNotFoundError, PermissionError):
        return {}


def database_url() -> str:
    """DATABASE_URL, or what the embedded server noted for this process."""
    url = os.environ.get("DATABASE_URL") or noted("services.json").get("database", {}).get(process())
    return str(url or "postgresql://ascolto@/ascolto")


def database() -> dict[str, Any]:
    """Django's settings for PostgreSQL."""
    parts = urlsplit(database_url())
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or parts.hostname or "",
        "PORT": str(parts.port or query.pop("port", "")),
        "OPTIONS": query,
        "CONN_MAX_AGE": 600 if process() == "web" else 0,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }


def redis(kind: str = "redis") -> str:
    """The address of Redis: `redis` in redis-py's form, `broker` in Celery's."""
    url = os.environ.get("REDIS_URL") or noted("services.json").get(kind, "")
    if kind == "broker":
        return url.replace("unix://", "redis+socket://", 1)
    return url.replace("redis+socket://", "unix://", 1)


def allowed_addresses() -> list[str]:
    """Inner `host:port` pairs that fetching may reach: those of the environment, and in a demo's folder its sandbox, so
    that a command beside a running demo hears what the demo hears."""
    sandbox = noted("sandbox.json").get("port") if "DATABASE_URL" not in os.environ else None
    return words("ASCOLTO_ALLOW_ADDRESSES") + ([f"127.0.0.1:{sandbox}"] if sandbox else [])


def secret(name: str, note: str) -> str:
    return os.environ.get(name) or str(noted("secrets.json").get(note, ""))
