"""Small files of the data folder: secrets made once, notes for other processes, locks and logs."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import IO, Any

LOGINS = ("owner", "web", "sender", "poller")
LARGEST_LOG = 10 * 1024 * 1024


def write_privately(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON that only this account may read; a reader sees the old file or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path) -> dict[str, Any]:
    """The note's content, empty when there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content


def secrets_of(data: Path) -> dict[str, str]:
    """Passwords and keys of this installation, made the first time: one password per login, `superuser`, `redis`,
    `secret_key` (Django) and `credential_keys` (Fernet, newest first)."""
    path = data / "secrets.json"
    known = read(path)
    made = {name: secrets.token_urlsafe(24) for name in (*LOGINS, "superuser", "redis")}
    made["secret_key"] = secrets.token_urlsafe(48)
    made["credential_keys"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    if made.keys() - known.keys():
        known = made | known
        write_privately(path, known)
    return known


def hold(path: Path) -> IO[str] | None:
    """Takes the lock file until the returned file is closed or this process ends; None when another process has it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def log(data: Path, name: str) -> IO[bytes]:
    """Opens `logs/<name>.log` to append; a log that grew over 10 MB is set aside first, one generation."""
    path = data / "logs" / f"{name}.log"
    path.parent.mkdir(exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
