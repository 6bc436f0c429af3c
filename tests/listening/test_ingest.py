"""From what was heard to stored items and mentions: everything once, and one bad item costs nobody else anything."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import timezone as zones
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from conversations import intake
from conversations.models import Message, Thread
from listening import ingest
from listening.connectors.contract import Author, Heard, SetAside
from listening.connectors.contract import Item as Said
from listening.models import Item, ItemSource, Mention, MentionTopic, SetAsideItem, Source, Topic
from listening.signals import mentions_arrived
from listening.text import storable
from tests.cast import Cast, hear, item, source_of
from tests.listening.corpora import corpus

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def poll_of(source: Source, *items: Said, removed: Sequence[str] = (), **after: Any) -> ingest.Poll:
    token = uuid.uuid4()
    Source.objects.filter(pk=source.pk).update(lease_token=token)
    return ingest.Poll(source, token, Heard(items=tuple(items), removed=tuple(removed)), after)


def store(*polls: ingest.Poll, now: datetime = NOW) -> dict[int, ingest.Stored]:
    return ingest.store(polls, now)


def texts() -> set[str]:
    return set(Item.objects.values_list("text", flat=True))


# ── once ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_twice_is_the_same_as_once(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    for expected in (1, 0):
        assert store(poll_of(source, item("1", "nivalta"), item("1", "nivalta")))[source.pk].items == expected
    assert (Item.objects.count(), Mention.objects.count(), ItemSource.objects.count()) == (1, 1, 1)


def test_one_item_by_two_sources_is_one_mention(cast: Cast) -> None:
    tag, words = (source_of(cast.nivalta, "mastodon", address=address) for address in ("#boots", "search:nivalta"))
    brought = store(poll_of(tag, item("1", "nivalta")), poll_of(words, item("1", "nivalta")))
    assert (Mention.objects.count(), ItemSource.objects.count()) == (1, 2)
    assert sum(each.mentions for each in brought.values()) == 1


def test_one_item_of_two_brands_is_two_mentions_and_two_threads(cast: Cast) -> None:
    said = item("1", "nivalta or brontola?")
    store(*(poll_of(source_of(brand, "mastodon"), said) for brand in (cast.nivalta, cast.brontola)))
    intake.take_all(NOW)
    assert (Item.objects.count(), Mention.objects.count(), Thread.objects.count()) == (1, 2, 2)
    assert Message.objects.filter(item=Item.objects.get()).values("thread__brand").distinct().count() == 2


def test_feeds_keep_their_ids_apart(cast: Cast) -> None:
    for address in ("https://a.example/", "https://b.example/"):
        store(poll_of(source_of(cast.nivalta, address=address), item("1", f"nivalta {address}")))
    assert Item.objects.count() == 2


def test_two_workers_that_hear_the_same_at_once_lose_no_mention(cast: Cast) -> None:
    """One brand each: whoever comes second finds the item of the first, and still makes its own mention."""
    words = [item(str(n), "nivalta and brontola") for n in range(40)]
    polls = [
        poll_of(source_of(cast.nivalta, "mastodon"), *words),
        poll_of(source_of(cast.brontola, "mastodon"), *reversed(words)),
    ]
    both = threading.Barrier(2)

    def work(poll: ingest.Poll) -> None:
        both.wait()
        try:
            store(poll)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=(poll,)) for poll in polls]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (Item.objects.count(), Mention.objects.count()) == (40, 80)


def test_what_a_lost_lease_brings_is_left_out(cast: Cast) -> None:
    source = source_of(cast.nivalta, cursor={"n": 1})
    late = poll_of(source, item("1", "nivalta"), cursor={"n": 2})
    poll_of(source)
    assert store(late) == {}
    source.refresh_from_db()
    assert (Item.objects.count(), source.cursor) == (0, {"n": 1})


# ── what concerns us ────────────────────────────────────────────────────────────────────────────────────────────────


def test_topics_are_asked_about_words_and_not_about_names(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    fan = Author(name="Nivalta fan", handle="nivalta", remote_id="x")
    store(
        poll_of(
            source,
            item("name", "hello", author="nivalta"),
            replace(item("handle", "hello"), author=fan),
            replace(item("title", "hello"), title="Nivalta"),
            replace(item("warning", "hello"), warning="about Nivalta"),
            item("text", "NIVALTA!"),
        )
    )
    caught = Mention.objects.values_list("item__external_id", flat=True)
    assert set(caught) == {"title", "warning", "text"}


def test_a_mention_keeps_the_version_that_caught_it(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    store(poll_of(source, item("1", "nivalta")))
    Topic.objects.filter(brand=cast.nivalta).update(version=2, any_of=["boots"])
    store(poll_of(source, item("2", "boots")))
    assert list(MentionTopic.objects.order_by("pk").values_list("topic_version", "words")) == [
        (1, ["nivalta"]),
        (2, ["boots"]),
    ]


@pytest.mark.parametrize("together", [True, False])
def test_context_that_turns_out_to_be_addressed_becomes_a_thread(cast: Cast, together: bool) -> None:
    watch = source_of(cast.nivalta, "mastodon", address="context:1", warm_until=NOW + timedelta(days=9))
    ours = source_of(cast.nivalta, "mastodon", address="mentions", own_place=True)
    said = item("1", "hello")
    if together:
        store(poll_of(watch, said), poll_of(ours, replace(said, to_us=True)))
    else:
        store(poll_of(watch, said))
        intake.take_all(NOW)
        assert not Thread.objects.exists()
        store(poll_of(ours, replace(said, to_us=True)))
    intake.take_all(NOW)
    mention = Mention.objects.get()
    assert (mention.addressed, mention.source, Thread.objects.count()) == (True, ours, 1)


@pytest.mark.parametrize("how", ["another source", "an edit"])
def test_context_that_a_topic_catches_later_becomes_a_thread(cast: Cast, how: str) -> None:
    watch = source_of(cast.nivalta, "mastodon", address="context:1", warm_until=NOW + timedelta(days=9))
    said = item("1", "hello")
    store(poll_of(watch, said))
    intake.take_all(NOW)
    if how == "an edit":
        store(poll_of(watch, replace(said, text="hello nivalta")))
    else:
        Topic.objects.filter(brand=cast.nivalta).update(any_of=["hello"])
        store(poll_of(source_of(cast.nivalta, "mastodon", address="#hello"), said))
    intake.take_all(NOW)
    assert (Thread.objects.count(), MentionTopic.objects.count()) == (1, 1)


def test_ours_is_ours_whoever_heard_it_first(cast: Cast) -> None:
    store(poll_of(source_of(cast.brontola, "mastodon"), item("1", "brontola")))
    store(poll_of(source_of(cast.nivalta, "mastodon"), replace(item("1", "brontola"), ours=True)))
    intake.take_all(NOW)
    assert Item.objects.get().ours
    assert not Thread.objects.filter(brand=cast.nivalta).exists()


# ── edited, deleted, forgotten ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("to_us", [True, False])
def test_an_edit_changes_the_text_and_whoever_is_writing_is_told(cast: Cast, to_us: bool) -> None:
    source = source_of(cast.nivalta, "mastodon", own_place=to_us)
    said = item("1", "nivalta is wet", to_us=to_us)
    hear(source, said)
    before = Thread.objects.get()
    hear(source, replace(said, text="nivalta is soaked"))
    after = Thread.objects.get()
    assert (after.snippet, texts()) == ("nivalta is soaked", {"nivalta is soaked"})
    assert after.version == before.version + 1
    assert after.events.filter(kind="edited_by_author").count() == 1
    assert after.waiting_since == before.waiting_since


def test_another_link_or_name_is_stored_and_disturbs_nobody(cast: Cast) -> None:
    source, said = source_of(cast.nivalta), item("1", "nivalta")
    hear(source, said)
    before = Thread.objects.get().version
    hear(source, replace(said, html="<p>nivalta", url="https://blog.example/?utm=2"))
    assert Item.objects.get().url == "https://blog.example/?utm=2"
    assert (Thread.objects.get().version, Mention.objects.get().changed_at) == (before, None)


def test_an_edit_in_two_brands_is_told_once_to_each(cast: Cast) -> None:
    polls = [source_of(brand, "mastodon") for brand in (cast.nivalta, cast.brontola)]
    said = item("1", "nivalta or brontola")
    store(*(poll_of(source, said) for source in polls))
    intake.take_all(NOW)
    store(*(poll_of(source, replace(said, text="brontola or nivalta")) for source in polls))
    intake.take_all(NOW)
    assert [thread.events.filter(kind="edited_by_author").count() for thread in Thread.objects.all()] == [1, 1]


def test_what_the_network_deletes_is_deleted_here_and_may_come_back(cast: Cast) -> None:
    source, said = source_of(cast.nivalta, "mastodon"), item("1", "nivalta", warning="wet")
    hear(source, said)
    store(poll_of(source, removed=["1", "never heard of"]))
    intake.take_all(NOW)
    gone, thread = Item.objects.get(), Thread.objects.get()
    assert (gone.text, gone.title, gone.warning, gone.html, gone.hidden_words) == ("", "", "", "", True)
    assert (thread.state, thread.end_reason, thread.snippet) == ("closed", "withdrawn", "")
    store(poll_of(source, said))
    intake.take_all(NOW)
    thread.refresh_from_db()
    assert (Item.objects.get().text, thread.state, thread.waiting_since is not None) == ("nivalta", "open", True)


def test_deleted_before_anybody_saw_it_it_is_no_thread(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(cast.nivalta)
    monkeypatch.setattr(mentions_arrived, "receivers", [])
    store(poll_of(source, item("1", "nivalta")))
    store(poll_of(source, removed=["1"]))
    intake.take_all(NOW)
    assert not Thread.objects.exists()
    assert not Mention.objects.filter(taken_at=None).exists()


# ── what cannot be stored ───────────────────────────────────────────────────────────────────────────────────────────

POISON = {
    "a time without a zone": {"published_at": datetime(2026, 1, 1)},  # noqa: DTZ001
    "a visibility nobody knows": {"visibility": "whispered among friends"},
    "no text at all": {"text": None},
}


@pytest.mark.parametrize("case", POISON)
def test_a_poison_item_is_set_aside_and_its_neighbours_land(cast: Cast, case: str) -> None:
    source, other = source_of(cast.nivalta), source_of(cast.nivalta, address="https://other.example/")
    bad = replace(item("bad", "nivalta"), **POISON[case])  # type: ignore[arg-type]
    for _ in range(2):
        good = [item(str(n), f"nivalta {n}") for n in range(20)]
        store(
            poll_of(source, *good[:10], bad, *good[10:], cursor={"n": 1}),
            poll_of(other, item("other", "nivalta other"), cursor={"n": 1}),
        )
    assert texts() == {*(f"nivalta {n}" for n in range(20)), "nivalta other"}
    aside = SetAsideItem.objects.get()
    assert (aside.source, "bad" in aside.raw) == (source, True)
    assert list(Source.objects.values_list("cursor", flat=True)) == [{"n": 1}, {"n": 1}]


@pytest.mark.parametrize(
    "published_at",
    [
        datetime.min.replace(tzinfo=zones(timedelta(hours=14))),
        datetime.max.replace(tzinfo=zones(timedelta(hours=-12))),
        datetime(1970, 1, 1, tzinfo=UTC),
        None,
    ],
)
def test_impossible_dates_become_our_own(cast: Cast, published_at: datetime | None) -> None:
    hear(
        source_of(cast.nivalta),
        replace(item("1", "nivalta"), published_at=published_at, edited_at=published_at),
        now=NOW,
    )
    stored = Item.objects.get()
    assert (stored.published_at, Thread.objects.count()) == (NOW, 1)


def test_nul_and_lone_surrogates_never_stop_an_item(cast: Cast) -> None:
    nasty = "nivalta \x00 \ud800 \udfff"
    said = Said(
        external_id=nasty, url=nasty, title=nasty, text=nasty, html=nasty, author=Author(nasty, nasty, nasty, nasty),
        language=nasty, conversation_key=nasty, in_reply_to=nasty, warning=nasty, comments_url=nasty,
        media=({"kind": nasty, "alt": nasty},), remote={nasty: nasty},
    )  # fmt: skip
    source = source_of(cast.nivalta)
    token = uuid.uuid4()
    Source.objects.filter(pk=source.pk).update(lease_token=token)
    heard = Heard(items=(said,), removed=(nasty + "x",), set_aside=(SetAside(nasty, nasty),))
    store(ingest.Poll(source, token, heard, {"cursor": {nasty: [nasty, {"a": nasty}]}, "trouble_words": nasty}))
    assert Item.objects.get().text == "nivalta \ufffd \ufffd \ufffd"
    assert SetAsideItem.objects.count() == 1, "the one that the connector had set aside"


def test_long_ids_that_begin_alike_stay_two(cast: Cast) -> None:
    long = "https://blog.example/" + "".join(chr(0x4E00 + n % 2000) for n in range(5000))
    source = source_of(cast.nivalta)
    heard = [item(long + tail, f"nivalta {tail}", conversation_key=long + tail) for tail in "ab"]
    for expected in (2, 0):
        assert store(poll_of(source, *heard))[source.pk].items == expected
    intake.take_all(NOW)
    assert Thread.objects.count() == 2
    store(poll_of(source, removed=[long + "a"]))
    assert texts() == {"", "nivalta b"}


def test_a_source_of_which_nothing_can_be_stored_does_not_stop_the_others(cast: Cast) -> None:
    source, other = source_of(cast.nivalta), source_of(cast.nivalta, address="https://other.example/")
    brought = store(
        poll_of(source, item("1", "nivalta"), failures=10**12), poll_of(other, item("2", "nivalta"), failures=0)
    )
    assert brought[source.pk].refused
    assert (brought[other.pk].mentions, Item.objects.count()) == (1, 1)


def test_trouble_of_the_database_is_no_fault_of_the_items(cast: Cast, sql: Any) -> None:
    source = source_of(cast.nivalta)
    poll = poll_of(source, item("1", "nivalta"))
    sql("SET lock_timeout = '100ms'")
    holder = connections.create_connection("default")
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM listening_source FOR UPDATE")
        with pytest.raises(OperationalError):
            store(poll)
    finally:
        holder.rollback()
        holder.close()
        sql("RESET lock_timeout")
    assert not SetAsideItem.objects.exists()
    assert store(poll)[source.pk].mentions == 1


@pytest.mark.parametrize("path", ["api-junk/mutations.json", "naughty-strings/strings.json"])
def test_corpora_pass_unchanged(cast: Cast, path: str) -> None:
    words = strings_of(corpus(path))
    source = source_of(cast.nivalta)
    brought = store(poll_of(source, *(item(f"{n}", text) for n, text in enumerate(words))))
    assert brought[source.pk].items == len(words)
    stored = dict(Item.objects.values_list("external_id", "text"))
    assert [stored[str(n)] for n in range(len(words))] == [storable(text) for text in words]


def strings_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (key, *strings_of(each))]
    return [text for each in value for text in strings_of(each)] if isinstance(value, list) else []


# ── much ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_long_feed_is_stored_within_bounds(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    words = tuple(item(str(n), f"entry {n} " + "x" * 500) for n in range(10_000))
    began = time.monotonic()
    before = memory()
    assert store(poll_of(source, *words))[source.pk].items == 10_000
    assert memory() - before < 150
    assert time.monotonic() - began < 60
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM listening_item")
        assert cursor.fetchone() == (10_000,)


def memory() -> float:
    """MiB of this process."""
    with open(f"/proc/{os.getpid()}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
