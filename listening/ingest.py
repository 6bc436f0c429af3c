"""From what the connectors heard to stored items and mentions: set-wise, in one transaction with the cursors.

Twice is the same as once. What cannot be stored is set aside and shown; it never stops its neighbours.
All SQL of listening's writes stands here, in the order of the data: items → sources that saw them → matches → mentions.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from accounts.binding import bound
from listening import matching
from listening.connectors.contract import Heard, Item, SetAside
from listening.models import Source, Topic
from listening.signals import mentions_arrived
from listening.text import storable

log = logging.getLogger("ascolto.ingest")


@dataclass(frozen=True, slots=True)
class Poll:
    """One source's poll, ready to be stored: what it heard and how the source stands afterwards (columns to set)."""

    source: Source
    token: UUID
    heard: Heard
    after: dict[str, Any]
    at: datetime | None = None
    """When it was heard, where that is not the moment of storing."""


@dataclass(slots=True)
class Stored:
    """What one poll brought."""

    items: int = 0
    mentions: int = 0


def store(polls: Sequence[Poll], now: datetime) -> dict[int, Stored]:
    """Stores a batch and moves its cursors, in one transaction; gives what each source brought.

    When the set fails, it is halved down to the one bad source, and there to the one bad item, which is set aside.
    A source whose lease is no longer ours is left out: somebody else polls it.
    """
    if not polls:
        return {}
    try:
        with bound("poller"):
            return _store(polls, now)
    except DatabaseError as error:
        if len(polls) > 1:
            middle = len(polls) // 2
            return store(polls[:middle], now) | store(polls[middle:], now)
        if not polls[0].heard.items:
            raise
        log.warning("source %s: its items are stored one by one (%s)", polls[0].source.pk, type(error).__name__)
        return store([_without_bad_items(polls[0], now)], now)


def _without_bad_items(poll: Poll, now: datetime) -> Poll:
    """Tries each item alone, and moves those that the database refuses aside."""
    good: list[Item] = []
    bad: list[SetAside] = []
    for item in poll.heard.items:
        try:
            with bound("poller"):
                _store([replace(poll, heard=replace(poll.heard, items=(item,)))], now)
                transaction.set_rollback(True)
            good.append(item)
        except DatabaseError as error:
            bad.append(SetAside(str(error).splitlines()[0], repr(item)))
    return replace(poll, heard=replace(poll.heard, items=tuple(good), set_aside=(*poll.heard.set_aside, *bad)))


def _store(polls: Sequence[Poll], now: datetime) -> dict[int, Stored]:
    polls = _still_ours(polls)
    rows = _rows(polls, now)
    ids, changed = _store_items(rows, now)
    seen = _store_sightings(polls, ids)
    mentions = _store_mentions(polls, ids, seen, changed, now)
    _note_removed(polls, now)
    _set_aside(polls, now)
    _move_sources(polls)
    result = {poll.source.pk: Stored(items=len(seen[poll.source.pk])) for poll in polls}
    for source_id in mentions:
        result[source_id].mentions += 1
    if mentions or changed:
        transaction.on_commit(lambda: mentions_arrived.send(sender=None), robust=True)
    return result


# ── items ───────────────────────────────────────────────────────────────────────────────────────────────────────────

COLUMNS = (
    "scope", "external_id", "network", "url", "title", "text", "html", "warning", "media", "author_name",
    "author_handle", "author_id", "author_url", "ours", "published_at", "discovered_at", "edited_at",
    "language", "conversation_key", "in_reply_to", "visibility", "remote", "comments_url", "fingerprint",
)  # fmt: skip
EDITABLE = (
    "url", "title", "text", "html", "warning", "media", "author_name", "author_handle", "author_url",
    "edited_at", "language", "visibility", "remote", "comments_url", "fingerprint",
)  # fmt: skip
TYPES = {"media": "jsonb", "remote": "jsonb", "ours": "boolean"} | dict.fromkeys(
    ("published_at", "discovered_at", "edited_at"), "timestamptz"
)
LIMITS = {"external_id": 2000, "url": 4000, "title": 1000, "warning": 1000, "author_name": 300, "author_handle": 300,
          "author_id": 500, "author_url": 2000, "language": 20, "conversation_key": 2000, "in_reply_to": 2000,
          "comments_url": 2000}  # fmt: skip

Key = tuple[str, str]
Row = dict[str, Any]


def _rows(polls: Sequence[Poll], now: datetime) -> dict[Key, Row]:
    """One row for each item of the batch, however many sources brought it."""
    return {
        (row["scope"], row["external_id"]): row
        for poll in polls
        for item in poll.heard.items
        for row in [_row(poll, item, poll.at or now)]
    }


def _row(poll: Poll, item: Item, now: datetime) -> Row:
    row: Row = {
        "scope": scope_of(poll.source, item),
        "external_id": item.external_id,
        "network": poll.source.kind,
        "url": item.url,
        "title": item.title,
        "text": item.text,
        "html": item.html,
        "warning": item.warning,
        "media": json.dumps([dict(medium) for medium in item.media]),
        "author_name": item.author.name,
        "author_handle": item.author.handle,
        "author_id": item.author.remote_id,
        "author_url": item.author.url,
        "ours": item.ours,
        "published_at": min(item.published_at or now, now),
        "discovered_at": now,
        "edited_at": item.edited_at,
        "language": item.language,
        "conversation_key": item.conversation_key or item.external_id,
        "in_reply_to": item.in_reply_to,
        "visibility": item.visibility,
        "remote": json.dumps(dict(item.remote)),
        "comments_url": item.comments_url,
    }
    for name, value in row.items():
        if isinstance(value, str):
            row[name] = storable(value)[: LIMITS.get(name)]
    print_ = "\x1f".join(str(row[name]) for name in EDITABLE if name not in ("fingerprint", "remote"))
    row["fingerprint"] = hashlib.blake2b(print_.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return row


def scope_of(source: Source, item: Item) -> str:
    """Where an item's id is unique: its network, or for feeds the source itself."""
    from listening.connectors import REGISTER

    return REGISTER[source.kind].network or f"source:{source.pk}"


def _store_items(rows: dict[Key, Row], now: datetime) -> tuple[dict[Key, int], set[int]]:
    """Writes what is new and what was edited. Gives the ids of all, and of those whose words changed.

    Asking first which are known is many times faster than any upsert, and burns no sequence (measured: docs/adr).
    """
    if not rows:
        return {}, set()
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT i.id, i.scope, i.external_id, i.fingerprint, i.hidden_words
               FROM unnest(%s::text[], %s::text[]) AS k (scope, external_id)
               JOIN listening_item i USING (scope, external_id)""",
            [[scope for scope, _ in rows], [external_id for _, external_id in rows]],
        )
        known = {
            (scope, external_id): (id_, print_, hidden) for id_, scope, external_id, print_, hidden in cursor.fetchall()
        }
        ids = {key: id_ for key, (id_, _, _) in known.items()}
        edited = {
            ids[key]: rows[key]
            for key, (_, print_, hidden) in known.items()
            if print_ != rows[key]["fingerprint"] and not hidden
        }
        fresh = [row for key, row in rows.items() if key not in known]
        if fresh:
            cursor.execute(
                f"""INSERT INTO listening_item ({_listed(COLUMNS)}, hidden_words)
                    SELECT *, false FROM unnest({_arrays(COLUMNS)}) ON CONFLICT (scope, external_id) DO NOTHING
                    RETURNING id, scope, external_id""",
                [[row[name] for row in fresh] for name in COLUMNS],
            )
            ids |= {(scope, external_id): id_ for id_, scope, external_id in cursor.fetchall()}
        if edited:
            cursor.execute(
                f"""UPDATE listening_item i SET {_taken_over(EDITABLE)}, removed_at = NULL
                    FROM unnest(%s::bigint[], {_arrays(EDITABLE)}) AS v (id, {_listed(EDITABLE)}) WHERE i.id = v.id""",
                [list(edited), *([row[name] for row in edited.values()] for name in EDITABLE)],
            )
            _say_changed(list(edited), now)
    return ids, set(edited)


def _arrays(columns: Iterable[str]) -> str:
    return ", ".join(f"%s::{TYPES.get(name, 'text')}[]" for name in columns)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _taken_over(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}" = v."{name}"' for name in columns)


def _say_changed(item_ids: list[int], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE listening_mention SET changed_at = %s WHERE item_id = ANY (%s) AND taken_at IS NOT NULL",
            [now, item_ids],
        )


def _store_sightings(polls: Sequence[Poll], ids: dict[Key, int]) -> dict[int, set[int]]:
    """Which items each source shows for the first time."""
    seen: dict[int, set[int]] = {poll.source.pk: set() for poll in polls}
    pairs = [
        (poll.source.pk, ids[key])
        for poll in polls
        for item in poll.heard.items
        if (key := (scope_of(poll.source, item), storable(item.external_id)[:2000])) in ids
    ]
    if pairs:
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO listening_itemsource (source_id, item_id)
                   SELECT DISTINCT p.source_id, p.item_id
                   FROM unnest(%s::bigint[], %s::bigint[]) AS p (source_id, item_id)
                   WHERE NOT EXISTS (SELECT 1 FROM listening_itemsource s
                                     WHERE s.source_id = p.source_id AND s.item_id = p.item_id)
                   ON CONFLICT DO NOTHING RETURNING source_id, item_id""",
                [[source for source, _ in pairs], [item for _, item in pairs]],
            )
            for source_id, item_id in cursor.fetchall():
                seen[source_id].add(item_id)
    return seen


# ── mentions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _store_mentions(
    polls: Sequence[Poll], ids: dict[Key, int], seen: dict[int, set[int]], changed: set[int], now: datetime
) -> list[int]:
    """Asks the topics about what is new or edited; gives the source of each new mention."""
    topics = {
        topic.pk: topic for topic in Topic.objects.filter(brand_id__in={p.source.brand_id for p in polls}, active=True)
    }
    matchers = {brand_id: _matcher(brand_id, topics) for brand_id in {poll.source.brand_id for poll in polls}}
    found: dict[tuple[int, int], _Found] = {}
    for poll in polls:
        source = poll.source
        for item in poll.heard.items:
            item_id = ids.get((scope_of(source, item), storable(item.external_id)[:2000]))
            if item_id is None or (item_id not in seen[source.pk] and item_id not in changed):
                continue
            matches = matchers[source.brand_id].matches((item.title, item.text, item.author.handle and ""))
            addressed = item.to_us or (source.own_place and not source.warm_until)
            if matches or addressed or source.warm_until or item.ours:
                first_poll = source.last_success_at is None and not source.warm_until
                found.setdefault(
                    (source.brand_id, item_id), _Found(source.pk, addressed, first_poll, matches, poll.at or now)
                )
    return _insert_mentions(found, topics)


def _matcher(brand_id: int, topics: dict[int, Topic]) -> matching.Matcher:
    return matching.Matcher(
        [matching.Query(t.pk, t.any_of, t.all_of, t.none_of) for t in topics.values() if t.brand_id == brand_id]
    )


class _Found(NamedTuple):
    """Why an item concerns a brand."""

    source_id: int
    addressed: bool
    first_poll: bool
    matches: list[matching.Match]
    at: datetime


def _insert_mentions(found: dict[tuple[int, int], _Found], topics: dict[int, Topic]) -> list[int]:
    if not found:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO listening_mention (brand_id, item_id, source_id, addressed, first_poll, created_at)
               SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[], %s::boolean[], %s::timestamptz[])
               ON CONFLICT (brand_id, item_id) DO UPDATE SET addressed = true, changed_at = excluded.created_at
                   WHERE excluded.addressed AND NOT listening_mention.addressed
               RETURNING id, brand_id, item_id, source_id, xmax = 0""",
            [
                [brand_id for brand_id, _ in found],
                [item_id for _, item_id in found],
                [one.source_id for one in found.values()],
                [one.addressed for one in found.values()],
                [one.first_poll for one in found.values()],
                [one.at for one in found.values()],
            ],
        )
        stored = cursor.fetchall()
        caught = [
            (mention_id, match)
            for mention_id, brand_id, item_id, *_ in stored
            for match in found[(brand_id, item_id)].matches
        ]
        if caught:
            cursor.execute(
                """INSERT INTO listening_mentiontopic (mention_id, topic_id, topic_version, words)
                   SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::jsonb[]) ON CONFLICT DO NOTHING""",
                [
                    [mention_id for mention_id, _ in caught],
                    [match.query_id for _, match in caught],
                    [topics[int(str(match.query_id))].version for _, match in caught],
                    [json.dumps(list(match.words)) for _, match in caught],
                ],
            )
    return [source_id for *_, source_id, is_new in stored if is_new]


def _note_removed(polls: Sequence[Poll], now: datetime) -> None:
    """What the network deleted is deleted here: the words go, ids and times stay."""
    gone = [external_id for poll in polls for external_id in poll.heard.removed]
    if not gone:
        return
    scopes = {scope_of(poll.source, Item(external_id="")) for poll in polls if poll.heard.removed}
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE listening_item
               SET removed_at = %s, hidden_words = true, text = '', html = '', title = '', media = '[]'
               WHERE scope = ANY (%s) AND external_id = ANY (%s) AND removed_at IS NULL RETURNING id""",
            [now, list(scopes), gone],
        )
        _say_changed([id_ for (id_,) in cursor.fetchall()], now)


# ── the sources themselves ──────────────────────────────────────────────────────────────────────────────────────────


def _still_ours(polls: Sequence[Poll]) -> list[Poll]:
    """Locks the sources of the batch and drops those whose lease somebody else took over."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, lease_token FROM listening_source WHERE id = ANY (%s) ORDER BY id FOR UPDATE",
            [[poll.source.pk for poll in polls]],
        )
        holders = dict(cursor.fetchall())
    return [poll for poll in polls if holders.get(poll.source.pk) == poll.token]


def _set_aside(polls: Sequence[Poll], now: datetime) -> None:
    rows = [
        (poll.source.pk, storable(bad.reason)[:500], storable(bad.raw)[:100_000])
        for poll in polls
        for bad in poll.heard.set_aside
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO listening_setasideitem (source_id, reason, raw, print, at)
                   SELECT s, r, raw, encode(sha256(convert_to(raw, 'UTF8')), 'hex'), %s
                   FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v (s, r, raw) ON CONFLICT DO NOTHING""",
                [now, *(list(column) for column in zip(*rows, strict=True))],
            )


STATE = {
    "cursor": "jsonb",
    "next_poll_at": "timestamptz",
    "interval": "float8",
    "failures": "int",
    "last_attempt_at": "timestamptz",
    "last_success_at": "timestamptz",
    "last_item_at": "timestamptz",
    "trouble_code": "text",
    "trouble_words": "text",
    "trouble_details": "text",
    "moved_to": "text",
    "moved_times": "int",
    "address": "text",
}
"""Columns of a source that a poll moves, with their types in SQL."""


def _move_sources(polls: Sequence[Poll]) -> None:
    """Cursor, schedule and health of the whole batch in one statement, with the leases given back."""
    if not polls:
        return
    arrays = ", ".join(f"%s::{kind}[]" for kind in STATE.values())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE listening_source s SET {_taken_over(STATE)}, lease_until = NULL, lease_token = NULL
                FROM unnest(%s::bigint[], {arrays}) AS v (id, {_listed(STATE)}) WHERE s.id = v.id""",
            [
                [poll.source.pk for poll in polls],
                *([_value(poll, name) for poll in polls] for name in STATE),
            ],
        )


def _value(poll: Poll, name: str) -> Any:
    value = poll.after.get(name, getattr(poll.source, name))
    return json.dumps(value) if name == "cursor" else value
