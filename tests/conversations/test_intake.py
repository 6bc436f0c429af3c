"""The only way in: threads, context, history, answers given elsewhere, in whatever order they are found."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import AuditEntry
from conversations import intake, lifecycle, spells
from conversations.models import Event, Message, Spell, Thread
from listening.connectors.contract import Author
from listening.connectors.contract import Item as Said
from listening.models import Item, Mention, Source
from listening.signals import mentions_arrived
from tests.cast import Cast, account_of, as_staff, hear, item, source_of
from tests.listening.test_ingest import poll_of, store

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The told time alone counts."""
    monkeypatch.setattr(mentions_arrived, "receivers", [])


@pytest.fixture
def watch(network: Source) -> Source:
    """The conversation as the network shows it: others speak there too."""
    return source_of(
        network.brand, "mastodon", address="context:1", base_url=network.base_url, account=network.account,
        warm_until=NOW + timedelta(days=14),
    )  # fmt: skip


@pytest.fixture
def network(cast: Cast) -> Source:
    account = account_of(cast.nivalta, "https://social.example")
    return source_of(cast.nivalta, "mastodon", address="#boots", base_url=account.base_url, account=account)


def say(key: str, at: int, author: str = "anna", text: str = "nivalta", **values: Any) -> Said:
    """Somebody says something, `at` minutes after noon, under the root "1"."""
    return item(key, text, author=author, published_at=NOW + at * MINUTE, conversation_key="1", **values)


def ours(key: str, at: int, to: str) -> Said:
    return replace(say(key, at, "nivalta"), ours=True, in_reply_to=to)


def later(minutes: int = 60) -> datetime:
    return NOW + minutes * MINUTE


def directions(thread: Thread) -> list[tuple[str, str]]:
    rows = thread.messages.order_by("at", "pk").values_list("item__external_id", "direction")
    return [(key or "", direction) for key, direction in rows]


def outcomes() -> list[tuple[int, str]]:
    return list(Spell.objects.order_by("thread", "number").values_list("number", "outcome"))


# ── which thread ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thread_is_a_root_and_an_author_and_others_are_context(network: Source, watch: Source) -> None:
    hear(network, say("1", 0, "anna"), now=later())
    hear(watch, say("1", 0, "anna"), say("2", 1, "bruno", "rain"), say("3", 2, "carla"), now=later())
    anna, carla = Thread.objects.order_by("opened_at")
    assert (anna.contact.name, carla.contact.name) == ("Anna", "Carla")
    assert directions(anna) == [("1", "inbound"), ("2", "context"), ("3", "context")]
    assert directions(carla) == [("1", "context"), ("2", "context"), ("3", "inbound")]
    assert outcomes() == [(1, "open"), (1, "open")]


def test_what_is_said_directly_is_nobody_elses_context(network: Source) -> None:
    hear(network, say("1", 0, "anna"), say("2", 1, "bruno", visibility="direct"), now=later())
    hear(network, say("3", 2, "carla"), now=later())
    anna, bruno, carla = Thread.objects.order_by("opened_at")
    assert (anna.private, bruno.private) == (False, True)
    assert ("2", "context") not in directions(anna) + directions(carla)
    assert Spell.objects.get(thread=bruno).left_out == "private"


def test_an_article_is_its_outlet_and_each_commenter_a_thread_of_the_article(cast: Cast) -> None:
    blog = source_of(cast.nivalta, name="Sentieri")
    nobody = Author(name="A. Journalist")
    article = replace(item("post", "nivalta tested"), author=nobody, comments_url="https://blog.example/post/comments")
    hear(blog, article, now=NOW)
    (watch,) = Source.objects.filter(warm_until__isnull=False)
    hear(
        watch,
        Said(external_id="c1", text="nivalta leaks", author=Author(name="Anna")),
        Said(external_id="c2", text="what weather", author=Author(name="Bruno")),
        Said(external_id="c3", text="nivalta is fine", author=Author(name="Carla")),
        now=NOW + MINUTE,
    )
    outlet, *people = Thread.objects.order_by("pk")
    assert (outlet.contact.name, outlet.contact.kind) == ("Sentieri", "outlet")
    assert outlet.waiting_since is not None
    assert [(t.contact.name, t.scope, t.root_key) for t in people] == [
        ("Anna", outlet.scope, "post"), ("Carla", outlet.scope, "post")
    ]  # fmt: skip
    assert ("c2", "context") in directions(outlet)
    hear(watch, Said(external_id="c4", text="and also my laces", author=Author(name="Anna")), now=NOW + 2 * MINUTE)
    assert ("c4", "inbound") in directions(people[0])


def test_comments_of_our_own_blog_are_always_mentions(cast: Cast) -> None:
    blog = source_of(cast.nivalta, own_place=True)
    hear(blog, Said(external_id="c1", text="what weather", author=Author(name="Bruno")), now=NOW)
    assert Thread.objects.get().contact.name == "Bruno"


def test_the_identity_that_answers_is_the_one_addressed_or_the_only_one(cast: Cast, network: Source) -> None:
    hear(network, say("1", 0, "anna"), now=later())
    assert Thread.objects.get().account == network.account
    second = account_of(cast.nivalta, "https://other.example", remote_id="2")
    hear(network, say("2", 0, "bruno"), now=later())
    assert Thread.objects.get(contact__name="Bruno").account is None, "a person chooses"
    own = source_of(
        cast.nivalta, "mastodon", address="mentions", base_url=second.base_url, account=second, own_place=True
    )
    hear(own, say("3", 0, "carla"), now=later())
    assert Thread.objects.get(contact__name="Carla").account == second


# ── history and late finds ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_new_source_brings_from_before_is_history(cast: Cast) -> None:
    new = source_of(cast.nivalta, "mastodon", last_success_at=None)
    hear(new, say("1", -3 * 1440), say("2", -2 * 1440), replace(say("9", -5, "bruno"), conversation_key="9"), now=NOW)
    old, fresh = Thread.objects.order_by("opened_at")
    assert (old.state, old.end_reason, old.history, old.waiting_since) == ("closed", "history", True, None)
    assert (fresh.state, fresh.history) == ("open", False)
    hear(new, say("3", 10), now=later())
    old.refresh_from_db()
    assert (old.state, old.history, old.waiting_since is not None) == ("open", False, True)


def test_history_changes_nothing_in_a_conversation_that_is_under_way(cast: Cast, network: Source) -> None:
    hear(network, say("1", 0), now=later(1))
    thread = Thread.objects.get()
    with as_staff(cast.marta):
        lifecycle.close(thread, "no_reply", cast.marta, later(2))
    new = source_of(cast.nivalta, "mastodon", address="#other", last_success_at=None)
    hear(new, say("0", -3 * 1440), now=later(3))
    thread.refresh_from_db()
    assert (thread.state, thread.end_reason, outcomes()) == ("closed", "no_reply", [(1, "no_reply")])


def test_a_late_find_is_live_and_left_out_of_the_figures(network: Source) -> None:
    hear(network, say("1", -25 * 60), now=NOW)
    spell = Spell.objects.get()
    assert (spell.left_out, spell.outcome) == ("late_find", "open")
    assert (spell.author_started_at, spell.team_started_at) == (NOW - timedelta(hours=25), NOW)


# ── answers given on the network itself ─────────────────────────────────────────────────────────────────────────────


def test_an_answer_given_there_ends_the_spell_at_the_networks_time(network: Source) -> None:
    hear(network, say("1", 0), now=later(1))
    hear(network, ours("2", 10, "1"), now=later(50))
    spell, thread = Spell.objects.get(), Thread.objects.get()
    assert (spell.outcome, spell.ended_at, spell.team_seconds) == ("answered", later(10), 540)
    assert (thread.queue, thread.last_ours) == ("waiting", True)
    assert thread.events.filter(kind="answered_outside").count() == 1


def test_an_answer_found_before_its_question_counts_all_the_same(network: Source) -> None:
    hear(network, ours("2", 10, "1"), ours("3", 11, "2"), now=later(20))
    assert not Thread.objects.exists()
    hear(network, say("1", 0), now=later(30))
    thread, spell = Thread.objects.get(), Spell.objects.get()
    assert directions(thread) == [("1", "inbound"), ("2", "outbound"), ("3", "outbound")]
    assert (spell.outcome, spell.ended_at, spell.team_seconds) == ("answered", later(10), 0)


def test_a_question_from_before_our_answer_found_after_it_waits_for_nothing(network: Source) -> None:
    hear(network, say("1", 0), now=later(1))
    hear(network, ours("2", 10, "1"), now=later(11))
    hear(network, say("3", 5), now=later(30))
    assert (outcomes(), Thread.objects.get().waiting_since) == ([(1, "answered")], None)


def test_an_answer_found_after_their_next_question_leaves_only_that_one_waiting(network: Source) -> None:
    hear(network, say("1", 0), say("3", 20), now=later(21))
    hear(network, ours("2", 10, "1"), now=later(40))
    first, second = Spell.objects.order_by("number")
    assert (first.outcome, first.ended_at) == ("answered", later(10))
    assert (second.outcome, second.author_started_at) == ("open", later(20))
    thread = Thread.objects.get()
    assert (thread.waiting_since, thread.last_ours) == (second.team_started_at, False)


def test_an_answer_to_somebody_else_does_not_answer_the_author(network: Source, watch: Source) -> None:
    hear(network, say("1", 0, "anna"), now=later(2))
    hear(watch, say("2", 1, "bruno", "rain"), now=later(3))
    hear(network, ours("3", 10, "2"), now=later(11))
    assert directions(Thread.objects.get())[-1] == ("3", "context")
    assert outcomes() == [(1, "open")]


def test_our_own_words_open_nothing(network: Source) -> None:
    hear(network, ours("1", 0, ""), now=later())
    assert (Thread.objects.count(), Mention.objects.filter(taken_at=None).count()) == (0, 0)


# ── again ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["snoozed", "closed"])
def test_who_speaks_again_is_seen_again(cast: Cast, network: Source, how: str) -> None:
    hear(network, say("1", 0), now=later(1))
    thread = Thread.objects.get()
    with as_staff(cast.marta):
        if how == "snoozed":
            lifecycle.snooze(thread, later(9999), cast.marta, later(2))
        else:
            lifecycle.close(thread, "no_reply", cast.marta, later(2))
    hear(network, say("2", 30), now=later(31))
    thread.refresh_from_db()
    assert (thread.state, thread.snoozed_until, thread.end_reason) == ("open", None, "")
    assert outcomes() == ([(1, "open")] if how == "snoozed" else [(1, "no_reply"), (2, "open")])
    assert Event.objects.filter(kind="reopened_by_message").count() == 1


def test_one_bad_mention_is_left_and_the_others_are_taken(network: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    taking = intake.take

    def take(mention: Mention, now: datetime) -> bool:
        if mention.item.external_id == "2":
            raise ValueError
        return taking(mention, now)

    monkeypatch.setattr(intake, "take", take)
    hear(network, *(replace(say(str(n), n), conversation_key=str(n)) for n in range(1, 5)), now=later())
    assert set(Thread.objects.values_list("root_key", flat=True)) == {"1", "3", "4"}
    monkeypatch.undo()
    assert intake.take_all(later()) == 1


# ── any schedule ────────────────────────────────────────────────────────────────────────────────────────────────────

WHO = st.sampled_from(["anna", "bruno", "us"])
SAID = st.lists(st.tuples(WHO, st.integers(0, 3)), min_size=1, max_size=7)


def conversation(said: list[tuple[str, int]]) -> list[Said]:
    """Each says something a few minutes after the one before; we answer what was last said by somebody else."""
    items: list[Said] = []
    minute, last = 0, ""
    for number, (who, pause) in enumerate(said, 1):
        minute += pause + 1
        key = str(number)
        items.append(ours(key, minute, last) if who == "us" else say(key, minute, who))
        last = last if who == "us" else key
    return items


def obvious(items: list[Said], author: str) -> list[tuple[datetime, datetime | None]]:
    """The spells of an author, by reading the conversation once: (said, answered)."""
    author_of = {one.external_id: one.author.handle for one in items}
    found: list[tuple[datetime, datetime | None]] = []
    for one in items:
        waits = bool(found) and found[-1][1] is None
        assert one.published_at
        if one.ours and waits and author_of.get(one.in_reply_to) == author:
            found[-1] = (found[-1][0], one.published_at)
        elif not one.ours and one.author.handle == author and not waits:
            found.append((one.published_at, None))
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=SAID, data=st.data())
def test_any_order_of_finding_gives_what_reading_it_once_gives(network: Source, said: Any, data: Any) -> None:
    clear()
    items = conversation(said)
    order = data.draw(st.permutations(items))
    at = later(100)
    while order:
        size = data.draw(st.integers(1, len(order)))
        hear(network, *order[:size], *order[:1], now=at)
        order, at = order[size:], at + MINUTE
    for author in ("anna", "bruno"):
        expected = obvious(items, author)
        thread = Thread.objects.filter(contact__name=author.capitalize()).first()
        answered = [end for _, end in expected if end]
        spells_found = list(Spell.objects.filter(thread=thread).order_by("number")) if thread else []
        assert bool(thread) == bool(expected)
        assert (thread is not None and thread.waiting_since is not None) == (len(answered) < len(expected))
        assert {s.ended_at for s in spells_found if s.ended_at} <= set(answered)
        assert [s.number for s in spells_found] == list(range(1, len(spells_found) + 1))
        assert all(recomputed(s) for s in spells_found)
    states = list(Thread.objects.order_by("pk").values())
    assert intake.take_all(at) == 0
    assert list(Thread.objects.order_by("pk").values()) == states


def recomputed(spell: Spell) -> bool:
    """Recomputing differs by nothing."""
    before = (spell.due_at, spell.team_seconds, spell.team_business_seconds, spell.author_seconds)
    if spell.ended_at:
        spells.measure(spell)
    return before == (spells.due(spell), spell.team_seconds, spell.team_business_seconds, spell.author_seconds)


def clear() -> None:
    for model in (Event, Spell, Message, Thread, Mention, Item):
        model.objects.all().delete()
    Source.objects.filter(warm_until__isnull=False).delete()
    assert AuditEntry.objects.count() == 0


def test_workers_at_once_make_the_same_as_one(network: Source) -> None:
    words = [say(str(n), n, "anna" if n % 2 else "bruno") for n in range(1, 20)]
    words += [replace(say(f"x{n}", n, f"p{n}"), conversation_key=f"x{n}") for n in range(60)]
    store(poll_of(network, *words), now=later(200))

    def work() -> None:
        try:
            while Mention.objects.filter(taken_at=None).exists():
                intake.take_all(later(201))
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (Thread.objects.count(), Spell.objects.count()) == (62, 62)
    assert Message.objects.filter(direction="inbound").count() == 79
