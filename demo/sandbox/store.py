"""What was said in the square, and what was tried: an SQLite file, or memory in tests."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .people import BY_NAME, DOMAIN, Account

KEY_SECONDS = 3600.0
"""How long a key is remembered, as on Mastodon."""

MENTION = re.compile(rf"(?<![=/\w@])@(?P<name>\w+)(?:@{re.escape(DOMAIN)})?(?![\w@])")
TAG = re.compile(r"(?<![\w&/])#(?P<tag>\w*[^\W\d]\w*)")

SCHEMA = """
CREATE TABLE IF NOT EXISTS post (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, text TEXT NOT NULL, parent INTEGER, visibility TEXT NOT NULL,
    spoiler TEXT NOT NULL, language TEXT NOT NULL, key TEXT NOT NULL, created REAL NOT NULL, shown REAL NOT NULL,
    edited REAL, deleted REAL, heard REAL
);
CREATE TABLE IF NOT EXISTS notification (id INTEGER PRIMARY KEY, account TEXT NOT NULL, post INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS attempt (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, key TEXT NOT NULL, parent INTEGER, fault TEXT NOT NULL, post INTEGER
);
CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY, what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Post:
    id: int
    account: Account
    text: str
    parent: int | None
    visibility: str
    spoiler: str
    language: str
    key: str
    created: float
    edited: float | None
    deleted: float | None
    heard: float | None
    """When Ascolto first received it, as a brand's client. Epoch seconds, like all times here."""

    @property
    def mentioned(self) -> list[Account]:
        names = dict.fromkeys(found["name"].lower() for found in MENTION.finditer(self.text))
        return [BY_NAME[name] for name in names if name in BY_NAME]

    @property
    def tags(self) -> list[str]:
        return list(dict.fromkeys(found["tag"].lower() for found in TAG.finditer(self.text)))

    def visible_to(self, reader: Account | None) -> bool:
        if self.visibility in ("public", "unlisted"):
            return True
        return reader is not None and (reader == self.account or reader in self.mentioned)


class Store:
    """One connection behind a lock: the square is small. Every change moves `stamp`."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._sql = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._sql.row_factory = sqlite3.Row
        self._sql.executescript(SCHEMA)
        self.stamp = int(time.time() * 1000)

    def close(self) -> None:
        with self._lock:
            self._sql.close()

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._sql.execute(sql, values).fetchall()

    def _change(self, sql: str, *values: Any) -> int:
        with self._lock:
            self.stamp += 1
            return self._sql.execute(sql, values).lastrowid or 0

    # posts

    def publish(
        self,
        account: Account,
        text: str,
        parent: int | None = None,
        *,
        visibility: str = "public",
        spoiler: str = "",
        language: str = "",
        key: str = "",
        delay: float = 0.0,
    ) -> Post:
        """Says something. `delay`: seconds until lists show it, as where the network's own lists lag behind."""
        with self._lock:
            now = time.time()
            newest = self._all("SELECT max(id) AS id FROM post")[0]["id"] or 0
            post_id = max(newest + 1, int(now * 1000) << 16)
            values = (post_id, account.name, text, parent, visibility, spoiler, language or account.language, key, now)
            columns = "id, account, text, parent, visibility, spoiler, language, key, created, shown"
            self._change(f"INSERT INTO post ({columns}) VALUES ({'?, ' * 9}?)", *values, now + delay)
            post = self.posts("id = ?", post_id, hidden=True)[0]
            for reader in post.mentioned:
                if reader != account:
                    self._notify(reader, post_id)
            return post

    def _notify(self, reader: Account, post_id: int) -> None:
        """Ids grow with time, so that they go on growing after the square was cleared."""
        newest = self._all("SELECT max(id) AS id FROM notification")[0]["id"] or 0
        values = (max(newest + 1, int(time.time() * 1000)), reader.name, post_id)
        self._change("INSERT INTO notification (id, account, post) VALUES (?, ?, ?)", *values)

    def posts(self, where: str, *values: Any, hidden: bool = False) -> list[Post]:
        """Posts, newest first; without those deleted or not shown yet, unless `hidden`."""
        shown = "1" if hidden else f"deleted IS NULL AND shown <= {time.time()}"
        rows = self._all(f"SELECT * FROM post WHERE {where} AND {shown} ORDER BY id DESC", *values)
        return [_post(row) for row in rows]

    def post(self, post_id: int) -> Post | None:
        return next(iter(self.posts("id = ?", post_id)), None)

    def edit(self, post: Post, text: str) -> Post:
        self._change("UPDATE post SET text = ?, edited = ? WHERE id = ?", text, time.time(), post.id)
        return self.posts("id = ?", post.id, hidden=True)[0]

    def delete(self, post_id: int) -> None:
        self._change("UPDATE post SET deleted = ? WHERE id = ?", time.time(), post_id)

    def heard(self, posts: Iterable[Post]) -> None:
        for post in posts:
            if post.heard is None and not post.account.brand:
                self._change("UPDATE post SET heard = ? WHERE id = ? AND heard IS NULL", time.time(), post.id)

    def ancestors(self, post: Post) -> list[Post]:
        chain: list[Post] = []
        parent = post.parent
        while parent is not None and (above := self.post(parent)):
            chain.insert(0, above)
            parent = above.parent
        return chain

    def descendants(self, post: Post) -> list[Post]:
        below = self.posts("parent = ?", post.id)[::-1]
        return [each for child in below for each in (child, *self.descendants(child))]

    def notifications(self, account: Account) -> list[tuple[int, Post]]:
        """Newest first."""
        rows = self._all("SELECT id, post FROM notification WHERE account = ? ORDER BY id DESC", account.name)
        return [(row["id"], post) for row in rows if (post := self.post(row["post"]))]

    # sending: keys, faults, what was tried

    @property
    def keys(self) -> bool:
        """Are idempotency keys honoured?"""
        return self._setting("keys", "1") == "1"

    @keys.setter
    def keys(self, honoured: bool) -> None:
        self._change("INSERT OR REPLACE INTO setting VALUES ('keys', ?)", "1" if honoured else "0")

    def _setting(self, name: str, default: str) -> str:
        rows = self._all("SELECT value FROM setting WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else default

    def with_key(self, account: Account, key: str) -> Post | None:
        """What this account published with this key within the hour."""
        where = "account = ? AND key = ? AND key != '' AND created > ?"
        found = self.posts(where, account.name, key, time.time() - KEY_SECONDS, hidden=True)
        return found[0] if found else None

    def add_faults(self, faults: Iterable[dict[str, Any]]) -> None:
        for fault in faults:
            for _ in range(int(fault.get("times", 1))):
                self._change("INSERT INTO fault (what) VALUES (?)", json.dumps(fault))

    def faults(self) -> list[dict[str, Any]]:
        return [json.loads(row["what"]) for row in self._all("SELECT what FROM fault ORDER BY id")]

    def next_fault(self) -> dict[str, Any]:
        """Takes the next fault from the queue; {} when the network is well."""
        with self._lock:
            rows = self._all("SELECT id, what FROM fault ORDER BY id LIMIT 1")
            if not rows:
                return {}
            self._change("DELETE FROM fault WHERE id = ?", rows[0]["id"])
            fault: dict[str, Any] = json.loads(rows[0]["what"])
            return fault

    def clear_faults(self) -> None:
        self._change("DELETE FROM fault")

    def tried(self, key: str, parent: int | None, fault: dict[str, Any], post: Post | None) -> None:
        name = str(fault.get("name") or fault.get("what") or "")
        values = (time.time(), key, parent, name, post.id if post else None)
        self._change("INSERT INTO attempt (at, key, parent, fault, post) VALUES (?, ?, ?, ?, ?)", *values)

    def attempts(self, parent: int | None = None) -> list[dict[str, Any]]:
        """All tries to send, oldest first; those under one post if it is given."""
        rows = self._all("SELECT * FROM attempt WHERE ? IS NULL OR parent = ? ORDER BY id", parent, parent)
        return [dict(row) for row in rows]

    def truth(self) -> dict[str, Any]:
        """Everything that was really published, and every try, for tests to compare with."""
        posts = [
            {
                "id": str(post.id),
                "account": post.account.name,
                "text": post.text,
                "in_reply_to_id": str(post.parent) if post.parent else None,
                "visibility": post.visibility,
                "key": post.key,
                "created": post.created,
                "deleted": post.deleted is not None,
            }
            for post in self.posts("1", hidden=True)[::-1]
        ]
        return {"posts": posts, "attempts": self.attempts()}

    def clear(self) -> None:
        for table in ("post", "notification", "attempt", "fault"):
            self._change(f"DELETE FROM {table}")


def _post(row: sqlite3.Row) -> Post:
    fields: dict[str, Any] = {name: row[name] for name in Post.__slots__}
    return Post(**fields | {"account": BY_NAME[row["account"]]})
