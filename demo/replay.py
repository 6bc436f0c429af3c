"""Plays stories through the product's own functions, each act at its told time and under the role that would do it.

A week is one transaction: first a poll stores what was heard in it, then every act follows in the order of time. Roles
change inside the transaction by `SET LOCAL`, so the database's guards judge each act as they judge the product.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import get_context

from django.conf import settings
from django.db import connection, transaction

from accounts.binding import take
from accounts.models import Person, Staff
from conversations import intake, lifecycle, notes, outbox, triage
from conversations.models import Advice, Message, Thread
from demo.acts import (
    Act,
    AdviceDecided,
    Advised,
    AnsweredOutside,
    Assigned,
    Closed,
    Deleted,
    Draft,
    Labelled,
    Noted,
    Replied,
    Said,
    Snoozed,
    Story,
)
from demo.company import Company
from demo.sandbox.api import ELSEWHERE
from listening import ingest
from listening.connectors.contract import Author, Heard, Item, Receipt
from listening.models import Mention, Source

CHUNK = timedelta(weeks=1)
SENT_FROM_HERE = 10_000_000
"""Ids of what left from here begin above those of what was written on the network."""


@dataclass
class _Stage:
    """What the acts of a story need to find again."""

    company: Company
    staff: dict[str, Staff]
    threads: dict[str, Thread] = field(default_factory=dict)
    """By the story's key: a stub that knows its id, its brand and its voice, no more."""
    mentions: dict[str, Mention] = field(default_factory=dict)


Step = tuple[datetime, int, Story, Act]
"""When, its number in the whole history, whose, what."""


def play(company: Company, stories: Sequence[Story], processes: int = 1) -> None:
    """Plays everything. Several processes share the work by source: so none waits for a row that another holds."""
    shares = _shares(sorted(_steps(stories), key=lambda step: step[:2]), processes)
    if processes == 1:
        _play_share(company, shares[0])
        return
    connection.close()
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        for share in [pool.submit(_play_share, company, steps) for steps in shares]:
            share.result()


def _shares(steps: Sequence[Step], number: int) -> list[list[Step]]:
    """The steps in as many shares of nearly the same size; all of a source stand in one."""
    sizes = Counter((story.brand, story.source) for _, _, story, _ in steps)
    filled = [0] * number
    place: dict[tuple[str, str], int] = {}
    for source, size in sizes.most_common():
        place[source] = filled.index(min(filled))
        filled[place[source]] += size
    shares: list[list[Step]] = [[] for _ in range(number)]
    for step in steps:
        shares[place[step[2].brand, step[2].source]].append(step)
    return shares


def _play_share(company: Company, steps: Sequence[Step]) -> None:
    """Plays one share, week by week."""
    stage = _Stage(company, {key: p.staff for key, p in company.people.items() if p.is_staff_member})
    begin = 0
    while begin < len(steps):
        until = steps[begin][0] + CHUNK
        end = begin
        while end < len(steps) and steps[end][0] < until:
            end += 1
        with transaction.atomic(durable=True):
            _play_week(stage, steps[begin:end])
        begin = end


def _steps(stories: Iterable[Story]) -> Iterable[Step]:
    number = 0
    for story in stories:
        for act in story.acts:
            number += 1
            at = act.heard_at if isinstance(act, Said | AnsweredOutside) else act.at
            yield at, number, story, act


def _play_week(stage: _Stage, steps: Sequence[Step]) -> None:
    _hear(stage, [(story, act) for _, _, story, act in steps if isinstance(act, Said | AnsweredOutside)])
    for at, number, story, act in steps:
        try:
            _do(stage, story, act, at, number)
        except Exception as error:
            error.add_note(f"in the conversation {story.key}: {act}")
            raise


# ── what is heard ───────────────────────────────────────────────────────────────────────────────────────────────────


def _hear(stage: _Stage, heard: Sequence[tuple[Story, Said | AnsweredOutside]]) -> None:
    """Stores what a week's polls brought, each item at its own moment."""
    if not heard:
        return
    sources = {stage.company.sources[story.brand, story.source].pk for story, _ in heard}
    token = uuid.uuid4()
    take("poller")
    Source.objects.filter(pk__in=sources).update(lease_token=token)
    polls = []
    for story, act in heard:
        source = stage.company.sources[story.brand, story.source]
        polls.append(
            ingest.Poll(source, token, Heard(items=(_item(stage, story, act),), cursor=source.cursor), {}, act.heard_at)
        )
    ingest.store(polls, heard[-1][1].heard_at)
    heard_now = Mention.objects.filter(taken_at=None, source__in=sources)
    for mention in heard_now.select_related("item", "source__account", "source__comments_of"):
        stage.mentions[mention.item.external_id] = mention


def _item(stage: _Stage, story: Story, act: Said | AnsweredOutside) -> Item:
    said = isinstance(act, Said)
    first = act.key == story.key
    account = stage.company.accounts[story.brand]
    author = (
        Author(story.author.name, story.author.handle, story.author.remote_id, story.author.url)
        if said
        else Author(account.name, account.handle, account.url, account.url)
    )
    remote = {}
    if story.network == "mastodon":
        acct = author.handle.removeprefix("@")
        local = str(ELSEWHERE[int(act.key.rpartition("/")[2])])
        remote = {"id": local, "acct": acct, "mentions": "", "instance": account.base_url}
    return Item(
        external_id=act.key,
        url=act.key,
        title=act.title if isinstance(act, Said) else "",
        text=act.text,
        author=author,
        published_at=act.at,
        language=story.language if said else "it",
        conversation_key=story.key,
        in_reply_to="" if first else story.key if isinstance(act, Said) else act.to,
        to_us=isinstance(act, Said) and act.addressed,
        ours=not said,
        remote=remote,
    )


# ── one act ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _do(stage: _Stage, story: Story, act: Act, at: datetime, number: int) -> None:
    if isinstance(act, Said | AnsweredOutside):
        take("poller")
        mention = stage.mentions.pop(act.key)
        intake.take(mention, at)
        if act.key == story.key:
            stage.threads[story.key] = _stub(mention)
        return
    thread = stage.threads[story.key]
    if isinstance(act, Deleted):
        _delete(stage, story, act)
        return
    person = stage.company.people[act.by]  # type: ignore[attr-defined]
    take("consultant" if isinstance(act, Advised) else "staff", person.pk)
    match act:
        case Replied():
            _reply(stage, story, thread, act, person, number)
        case Assigned():
            triage.assign(thread, stage.staff[act.to], person, at)
        case Labelled():
            triage.label(thread, [stage.company.labels[story.brand, key] for key in act.labels], person, at)
        case Noted():
            notes.add_note(thread, person, act.text, at)
        case Advised():
            _advise(stage, thread, act, person)
        case AdviceDecided():
            advice = Advice.objects.filter(thread=thread, state=Advice.State.OPEN).latest("created_at")
            notes.decide(advice, act.taken, person, act.reason, at)
        case Snoozed():
            lifecycle.snooze(thread, act.until, person, at)
        case Closed():
            lifecycle.close(thread, act.reason, person, at)
        case Draft():
            outbox.save_draft(Thread.objects.select_related("account").get(pk=thread.pk), person, act.text, at)


def _stub(mention: Mention) -> Thread:
    return Thread.objects.only("pk", "brand_id", "account_id").get(
        brand_id=mention.brand_id, messages__item_id=mention.item_id
    )


def _delete(stage: _Stage, story: Story, act: Deleted) -> None:
    """The next poll finds it gone."""
    source, token = stage.company.sources[story.brand, story.source], uuid.uuid4()
    take("poller")
    Source.objects.filter(pk=source.pk).update(lease_token=token)
    ingest.store([ingest.Poll(source, token, Heard(removed=(act.key,), cursor=source.cursor), {}, act.at)], act.at)
    for mention in Mention.objects.select_related("item", "source__account", "source__comments_of").filter(
        changed_at__isnull=False, source=source
    ):
        intake.take(mention, act.at)


def _reply(stage: _Stage, story: Story, thread: Thread, act: Replied, person: Person, number: int) -> None:
    if thread.account_id is None:
        outbox.answered_there(thread, person, f"{_web(story.key)}#risposta-{number}", act.text, act.at, act.at)
        return
    current = Thread.objects.select_related("account").get(pk=thread.pk)
    reply = outbox.submit(current, person, act.text, current.version, uuid.uuid4(), act.at)
    account = stage.company.accounts[story.brand]
    moment = act.at + timedelta(seconds=settings.UNDO_SECONDS + 2)
    remote = f"https://piazzetta.example/users/{story.brand}/statuses/{SENT_FROM_HERE + number}"
    take("sender")
    outbox.replay(reply, Receipt(remote, f"{account.url}/{number}", moment), moment)


def _web(key: str) -> str:
    return key if key.startswith("https://") else f"https://{key}"


def _advise(stage: _Stage, thread: Thread, act: Advised, person: Person) -> None:
    seen = Message.objects.select_related("item", "reply").only("thread_id", "item__title", "item__text", "reply__text")
    messages = list(seen.filter(thread=thread).order_by("-at"))
    quoted = [message for message in messages if act.quote in _words(message)]
    message = (quoted or messages)[0]
    engagement = stage.company.engagements[act.engagement]
    notes.advise(
        thread, message, engagement, person, act.text, act.kinds, act.matters, act.quote if quoted else "", act.at
    )


def _words(message: Message) -> str:
    if message.reply is not None:
        return message.reply.text
    return f"{message.item.title} {message.item.text}" if message.item else ""
