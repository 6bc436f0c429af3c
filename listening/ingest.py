"""From what the connectors heard to stored items and mentions: set-wise, in one transaction with the cursors.

Twice is the same as once. What cannot be stored is set aside and shown; it never stops its neighbours.
All SQL of listening's writes stands here, in the order of the data: items → sources that saw them → matches → mentions.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from accounts.binding import bound
from listening import matching
from listening.connectors import REGISTER
from listening.connectors.contract import Heard, Item, SetAside
from listening.models import Source, Topic
from listening.signals import mentions_arrived
from listening.text import storable, storable_id

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
    after_news: dict[str, Any] = field(default_factory=dict)
    """Columns to set as well when it brought something that this source had not shown before."""


@dataclass(slots=True)
class Stored:
    """What one poll brought."""

    items: int = 0
    mentions: int = 0
    refused: str = ""
    """Why nothing of it could be stored; its source stands as before, with the lease still held."""


Note = Callable[[dict[int, Stored]], None]
"""Writes what else belongs into the transaction of a batch: called with what each of its sources brought."""


def store(polls: Sequence[Poll], now: datetime, note: Note = lambda brought: None) -> dict[int, Stored]:
    """Stores a batch and moves its cursors, in one transaction; gives what each source brought.

    When the database refuses the set, it is halved down to the one bad source, and there to the one bad item, which is
    set aside. A source whose lease is no longer ours is left out: somebody else polls it. Raises `DatabaseError` when
    the database itself is in trouble: then nothing is stored, and all of it can be tried again.
    """
    if not polls:
        return {}
    try:
        return _in_one_transaction(polls, now, note)
    except DatabaseError as error:
        if passing(error):
            raise
        if len(polls) > 1:
            middle = len(polls) // 2
            return store(polls[:middle], now, note) | store(polls[middle:], now, note)
        log.warning("source %s: the database refuses an item (%s)", polls[0].source.pk, type(error).__name__)
    try:
        return _in_one_transaction([_without_refused(polls[0], now)], now, note)
    except DatabaseError as error:
        if passing(error):
            raise
        log.exception("source %s: nothing of it can be stored", polls[0].source.pk)
        return {polls[0].source.pk: Stored(refused=_first_line(error))}


TROUBLE_OF_ITS_OWN = ("08", "25", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE that say nothing of the data: connection, transaction, deadlock, resources, locks, shutdown."""


def passing(error: DatabaseError) -> bool:
    """The database, not the data, is in trouble: the same may work in a moment."""
    code = getattr(error.__cause__, "pgcode", None)
    if code is None:
        return isinstance(error, OperationalError | InterfaceError)
    return bool(code.startswith(TROUBLE_OF_ITS_OWN))


def _in_one_transaction(polls: Sequence[Poll], now: datetime, note: Note) -> dict[int, Stored]:
    with bound("poller"):
        brought = _store(polls, now)
        note(brought)
    return brought


def _without_refused(poll: Poll, now: datetime) -> Poll:
    """The poll without the items that the database refuses, which are set aside."""
    refused = list(_refused(poll, poll.heard.items, now))
    aside = tuple(SetAside(reason, repr(item)) for item, reason in refused)
    bad = {id(item) for item, _ in refused}
    good = tuple(item for item in poll.heard.items if id(item) not in bad)
    return replace(poll, heard=replace(poll.heard, items=good, set_aside=(*poll.heard.set_aside, *aside)))


def _refused(poll: Poll, items: Sequence[Item], now: datetime) -> Iterator[tuple[Item, str]]:
    """Finds them by halves, each tried in a transaction that is taken back."""
    if not items:
        return
    try:
        with bound("poller"):
            _store([replace(poll, heard=Heard(items=tuple(items)))], now)
            transaction.set_rollback(True)
    except DatabaseError as error:
        if passing(error):
            raise
        if len(items) == 1:
            yield items[0], _first_line(error)
            return
        middle = len(items) // 2
        yield from _refused(poll, items[:middle], now)
        yield from _refused(poll, items[middle:], now)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _store(polls: Sequence[Poll], now: datetime) -> dict[int, Stored]:
    polls = _still_ours(polls)
    brought = {poll.source.pk: Stored() for poll in polls}
    said, unreadable = _read(polls, now)
    topics = Topics(polls)
    rings = False
    for begin in range(0, len(said), PORTION):
        portion = said[begin : begin + PORTION]
        items = _store_items(portion, now)
        seen = _store_sightings(portion, items.ids)
        for source_id, _ in seen:
            brought[source_id].items += 1
        found = _found(portion, items, seen, topics)
        _restore(found, items, portion)
        for source_id in _insert_mentions(found, topics, now):
            brought[source_id].mentions += 1
        rings = rings or bool(found) or bool(items.changed)
    rings = _note_removed(polls, now) or rings
    _set_aside(polls, unreadable, now)
    _move_sources(polls, brought)
    if rings:
        transaction.on_commit(lambda: mentions_arrived.send(sender=None), robust=True)
    return brought


# ── items ───────────────────────────────────────────────────────────────────────────────────────────────────────────

PORTION = 2000
"""Items written by one statement: memory stays bounded, however long a feed is."""

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
WORDS = ("title", "text", "warning")
"""What they said: when these change, whoever is writing an answer is told."""
LIMITS = {"url": 4000, "title": 1000, "warning": 1000, "author_name": 300, "author_handle": 300, "author_url": 2000,
          "language": 20, "comments_url": 2000}  # fmt: skip
IDENTITIES = {"external_id": 2000, "conversation_key": 2000, "in_reply_to": 2000, "author_id": 500}
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""An older date is a mistake of the far side, such as the first second of 1970."""

Key = tuple[str, str]
Row = dict[str, Any]


class _Said(NamedTuple):
    """An item as one source brought it, and as it is stored."""

    poll: Poll
    item: Item
    row: Row

    @property
    def key(self) -> Key:
        return self.row["scope"], self.row["external_id"]


def _read(polls: Sequence[Poll], now: datetime) -> tuple[list[_Said], list[tuple[Poll, SetAside]]]:
    """All items as rows, and those that cannot even be read."""
    said: list[_Said] = []
    unreadable: list[tuple[Poll, SetAside]] = []
    for poll in polls:
        for item in poll.heard.items:
            try:
                said.append(_Said(poll, item, _row(poll, item, poll.at or now)))
            except Exception as error:  # a connector's slip costs its item, not the batch
                unreadable.append((poll, SetAside(f"{type(error).__name__}: {error}", repr(item))))
    return said, unreadable


def _row(poll: Poll, item: Item, now: datetime) -> Row:
    row: Row = {
        "scope": scope_of(poll.source),
        "external_id": item.external_id,
        "network": poll.source.kind,
        "url": item.url,
        "title": item.title,
        "text": item.text,
        "html": item.html,
        "warning": item.warning,
        "media": _json([dict(medium) for medium in item.media]),
        "author_name": item.author.name,
        "author_handle": item.author.handle,
        "author_id": item.author.remote_id,
        "author_url": item.author.url,
        "ours": item.ours,
        "published_at": _plausible(item.published_at, now) or now,
        "discovered_at": now,
        "edited_at": _plausible(item.edited_at, now),
        "language": item.language,
        "conversation_key": item.conversation_key or item.external_id,
        "in_reply_to": item.in_reply_to,
        "visibility": item.visibility,
        "remote": _json(dict(item.remote)),
        "comments_url": item.comments_url,
    }
    for name, value in row.items():
        if name in IDENTITIES:
            row[name] = storable_id(value, IDENTITIES[name])
        elif isinstance(value, str):
            row[name] = storable(value)[: LIMITS.get(name)]
    print_ = "\x1f".join(str(row[name]) for name in EDITABLE if name not in ("fingerprint", "remote"))
    row["fingerprint"] = hashlib.blake2b(print_.encode(), digest_size=16).hexdigest()
    return row


def _plausible(at: datetime | None, now: datetime) -> datetime | None:
    """Nothing is said in the future, nor before there were networks; such a year may not even be readable again."""
    return min(at, now) if at is not None and at >= EARLIEST else None


def _json(value: Any) -> str:
    return json.dumps(_fit(value), ensure_ascii=False)


def _fit(value: Any) -> Any:
    """With strings that jsonb takes, at any depth."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_fit(key): _fit(each) for key, each in value.items()}
    return [_fit(each) for each in value] if isinstance(value, list | tuple) else value


def scope_of(source: Source) -> str:
    """Where an item's id is unique: its network, or for feeds the source itself."""
    return REGISTER[source.kind].network or f"source:{source.pk}"


@dataclass(slots=True)
class _Items:
    """The items of a portion, as they now stand."""

    ids: dict[Key, int]
    changed: set[int] = field(default_factory=set)
    """Their words were edited, or they are back after their network had deleted them."""
    forgotten: set[int] = field(default_factory=set)
    """Their words went after a while, because no topic wanted them."""


def _store_items(portion: Sequence[_Said], now: datetime) -> _Items:
    """Writes what is new and what was edited, in the order of their keys, so that no two workers wait in a ring.

    Asking first which are known is many times faster than any upsert, and burns no sequence (measured: docs/adr).
    """
    rows = _one_for_each(portion)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT i.scope, i.external_id, i.id, i.fingerprint, i.hidden_words, i.removed_at IS NOT NULL, i.ours
               FROM unnest(%s::text[], %s::text[]) AS k (scope, external_id)
               JOIN listening_item i USING (scope, external_id)""",
            [[scope for scope, _ in rows], [external_id for _, external_id in rows]],
        )
        known = {(scope, external_id): found for scope, external_id, *found in cursor.fetchall()}
        items = _Items({key: found[0] for key, found in known.items()})
        edited: dict[int, Row] = {}
        for key, (id_, print_, hidden, removed, ours) in known.items():
            if hidden and not removed:
                items.forgotten.add(id_)
            elif removed or print_ != rows[key]["fingerprint"]:
                edited[id_] = rows[key]
            if rows[key]["ours"] and not ours:
                cursor.execute("UPDATE listening_item SET ours = true WHERE id = %s", [id_])
        fresh = [row for key, row in rows.items() if key not in known]
        if fresh:
            items.ids |= _insert_items(fresh)
        if edited:
            items.changed = _with_other_words(edited)
            _rewrite(edited)
            _say_changed(items.changed, now)
    return items


def _one_for_each(portion: Sequence[_Said]) -> dict[Key, Row]:
    """One row for each item, however many sources brought it; ours if one of them knows it as ours."""
    rows: dict[Key, Row] = {}
    for said in sorted(portion, key=lambda said: said.key):
        row = rows.setdefault(said.key, said.row)
        row["ours"] = row["ours"] or said.row["ours"]
    return rows


def _insert_items(fresh: Sequence[Row]) -> dict[Key, int]:
    """Inserts, and finds those that another worker inserted at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO listening_item ({_listed(COLUMNS)}, hidden_words)
                SELECT *, false FROM unnest({_arrays(COLUMNS)}) ON CONFLICT (scope, external_id) DO NOTHING
                RETURNING scope, external_id, id""",
            [[row[name] for row in fresh] for name in COLUMNS],
        )
        ids = {(scope, external_id): id_ for scope, external_id, id_ in cursor.fetchall()}
        missing = [row for row in fresh if (row["scope"], row["external_id"]) not in ids]
        if missing:
            cursor.execute(
                """SELECT i.scope, i.external_id, i.id FROM unnest(%s::text[], %s::text[]) AS k (scope, external_id)
                   JOIN listening_item i USING (scope, external_id)""",
                [[row["scope"] for row in missing], [row["external_id"] for row in missing]],
            )
            ids |= {(scope, external_id): id_ for scope, external_id, id_ in cursor.fetchall()}
    return ids


def _with_other_words(edited: dict[int, Row]) -> set[int]:
    """Those whose words differ from what is stored; another link or picture is no edit that people must know of."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {_listed(WORDS)} FROM listening_item WHERE id = ANY (%s)", [list(edited)])
        return {id_ for id_, *words in cursor.fetchall() if words != [edited[id_][name] for name in WORDS]}


def _rewrite(rows: dict[int, Row]) -> None:
    """Takes over what came; what was hidden or deleted is there again."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE listening_item i SET {_taken_over(EDITABLE)}, removed_at = NULL, hidden_words = false
                FROM unnest(%s::bigint[], {_arrays(EDITABLE)}) AS v (id, {_listed(EDITABLE)}) WHERE i.id = v.id""",
            [list(rows), *([row[name] for row in rows.values()] for name in EDITABLE)],
        )


def _arrays(columns: Iterable[str]) -> str:
    return ", ".join(f"%s::{TYPES.get(name, 'text')}[]" for name in columns)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _taken_over(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}" = v."{name}"' for name in columns)


def _say_changed(item_ids: Iterable[int], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE listening_mention SET changed_at = %s WHERE item_id = ANY (%s) AND taken_at IS NOT NULL",
            [now, list(item_ids)],
        )


def _store_sightings(portion: Sequence[_Said], ids: dict[Key, int]) -> set[tuple[int, int]]:
    """(source, item) for what a source shows for the first time."""
    pairs = [(said.poll.source.pk, ids[said.key]) for said in portion]
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
        return set(cursor.fetchall())


# ── mentions ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Topics:
    """The topics of the brands of a batch."""

    def __init__(self, polls: Sequence[Poll]) -> None:
        brands = {poll.source.brand_id for poll in polls}
        topics = list(Topic.objects.filter(brand_id__in=brands, active=True))
        self.versions = {topic.pk: topic.version for topic in topics}
        self._matchers = {
            brand: matching.Matcher(
                [matching.Query(t.pk, t.any_of, t.all_of, t.none_of) for t in topics if t.brand_id == brand]
            )
            for brand in brands
        }

    def matches(self, said: _Said) -> list[matching.Match]:
        return self._matchers[said.poll.source.brand_id].matches(words_of(said.item))


def words_of(item: Item) -> tuple[str, ...]:
    """What topics are asked about: what was said, and not who said it."""
    return item.title, item.text, item.warning


@dataclass(slots=True)
class _Found:
    """Why an item concerns a brand."""

    source_id: int
    addressed: bool
    first_poll: bool
    matches: list[matching.Match]
    at: datetime

    def joined(self, other: _Found) -> _Found:
        """The same item by two sources: the one that was addressed counts, else the first."""
        first, second = (other, self) if other.addressed and not self.addressed else (self, other)
        return replace(first, first_poll=first.first_poll and second.first_poll)


Found = dict[tuple[int, int], _Found]
"""By (brand, item)."""


def _found(portion: Sequence[_Said], items: _Items, seen: set[tuple[int, int]], topics: Topics) -> Found:
    """Asks the topics about what is new to a source, or edited."""
    found: Found = {}
    for said in portion:
        source, item, item_id = said.poll.source, said.item, items.ids[said.key]
        if (source.pk, item_id) not in seen and item_id not in items.changed:
            continue
        matches = topics.matches(said)
        addressed = item.to_us or source.own_place
        if matches or addressed or item.ours or source.warm_until:
            first_poll = source.last_success_at is None and not source.warm_until
            one = _Found(source.pk, addressed, first_poll, matches, said.row["discovered_at"])
            key = (source.brand_id, item_id)
            found[key] = found[key].joined(one) if key in found else one
    return found


def _restore(found: Found, items: _Items, portion: Sequence[_Said]) -> None:
    """What was forgotten and is wanted after all has its words again."""
    wanted = {item_id for _, item_id in found} & items.forgotten
    if wanted:
        _rewrite({items.ids[said.key]: said.row for said in portion if items.ids[said.key] in wanted})


def _insert_mentions(found: Found, topics: Topics, now: datetime) -> list[int]:
    """Writes the mentions, in the order of their keys; gives the source of each new one."""
    if not found:
        return []
    found = dict(sorted(found.items()))
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO listening_mention AS m (brand_id, item_id, source_id, addressed, first_poll, created_at)
               SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[], %s::boolean[],
                                    %s::timestamptz[])
               ON CONFLICT (brand_id, item_id) DO UPDATE
                   SET addressed = true, source_id = excluded.source_id, changed_at = excluded.created_at
                   WHERE excluded.addressed AND NOT m.addressed
               RETURNING source_id, xmax = 0""",
            [
                [brand_id for brand_id, _ in found],
                [item_id for _, item_id in found],
                [one.source_id for one in found.values()],
                [one.addressed for one in found.values()],
                [one.first_poll for one in found.values()],
                [one.at for one in found.values()],
            ],
        )
        fresh = [source_id for source_id, is_new in cursor.fetchall() if is_new]
    _insert_reasons(found, topics, now)
    return fresh


def _insert_reasons(found: Found, topics: Topics, now: datetime) -> None:
    """Which topics caught a mention. One that was context until now, and is caught now, is looked at again."""
    caught = [(key, match) for key, one in found.items() for match in one.matches]
    if not caught:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH reasons AS (
                   INSERT INTO listening_mentiontopic (mention_id, topic_id, topic_version, words)
                   SELECT m.id, v.topic_id, v.version, v.words
                   FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::int[], %s::jsonb[])
                        AS v (brand_id, item_id, topic_id, version, words)
                   JOIN listening_mention m USING (brand_id, item_id)
                   ON CONFLICT DO NOTHING RETURNING mention_id)
               UPDATE listening_mention SET changed_at = %s
               WHERE id IN (SELECT mention_id FROM reasons) AND taken_at IS NOT NULL""",
            [
                [brand_id for (brand_id, _), _ in caught],
                [item_id for (_, item_id), _ in caught],
                [match.query_id for _, match in caught],
                [topics.versions[int(str(match.query_id))] for _, match in caught],
                [_json(list(match.words)) for _, match in caught],
                now,
            ],
        )


def _note_removed(polls: Sequence[Poll], now: datetime) -> bool:
    """What the network deleted is deleted here: the words go, ids and times stay. Gives whether something went."""
    gone = [(scope_of(poll.source), storable_id(each)) for poll in polls for each in poll.heard.removed]
    if not gone:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE listening_item i SET removed_at = %s, hidden_words = true, text = '', html = '', title = '',
                      warning = '', media = '[]'
               FROM unnest(%s::text[], %s::text[]) AS v (scope, external_id)
               WHERE (i.scope, i.external_id) = (v.scope, v.external_id) AND i.removed_at IS NULL RETURNING i.id""",
            [now, [scope for scope, _ in gone], [external_id for _, external_id in gone]],
        )
        ids = [id_ for (id_,) in cursor.fetchall()]
    _say_changed(ids, now)
    return bool(ids)


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


def _set_aside(polls: Sequence[Poll], unreadable: Sequence[tuple[Poll, SetAside]], now: datetime) -> None:
    bad = [*((poll, each) for poll in polls for each in poll.heard.set_aside), *unreadable]
    rows = [(poll.source.pk, storable(each.reason)[:500], storable(each.raw)[:100_000]) for poll, each in bad]
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


def _move_sources(polls: Sequence[Poll], brought: dict[int, Stored]) -> None:
    """Cursor, schedule and health of the whole batch in one statement, with the leases given back. A source keeps its
    address where the brand already listens to the new one."""
    if not polls:
        return
    arrays = ", ".join(f"%s::{kind}[]" for kind in STATE.values())
    moved = [name for name in STATE if name != "address"]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE listening_source s SET {_taken_over(moved)}, lease_until = NULL, lease_token = NULL,
                    address = CASE WHEN EXISTS (
                        SELECT 1 FROM listening_source o WHERE o.id <> s.id AND o.address = v.address
                            AND (o.brand_id, o.kind, o.base_url) = (s.brand_id, s.kind, s.base_url))
                        THEN s.address ELSE v.address END
                FROM unnest(%s::bigint[], {arrays}) AS v (id, {_listed(STATE)}) WHERE s.id = v.id""",
            [
                [poll.source.pk for poll in polls],
                *([_value(poll, name, brought[poll.source.pk]) for poll in polls] for name in STATE),
            ],
        )


def _value(poll: Poll, name: str, brought: Stored) -> Any:
    after = poll.after | poll.after_news if brought.items else poll.after
    value = after.get(name, getattr(poll.source, name))
    if name == "cursor":
        return _json(value)
    return storable(value) if isinstance(value, str) else value
