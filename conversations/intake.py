"""The only way in: a mention becomes a message of a thread, with its contact and its spell.

Called by the bell and by a sweep; twice is the same as once. A thread is one brand's conversation with one outside
author under one root; what others say there is context. What we said on the network itself is found here too, and ends
the spell that it answers.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts import live
from accounts.binding import bound
from conversations import lifecycle, spells
from conversations.models import Contact, Event, Message, Reply, Thread
from conversations.relationships import contact_of
from listening import voice
from listening.models import Account, Item, Mention
from listening.watching import watch

log = logging.getLogger("ascolto.intake")

HISTORY = timedelta(hours=24)
"""Older than this when a new source is first read: history, not work."""
WARM = timedelta(days=14)
"""How long a conversation is listened to after the last word."""
BATCH = 200
DIRECT = ("direct", "private")
"""Visibilities of what was not said in public."""


def take_all(now: datetime, limit: int = 10_000) -> int:
    """Takes every mention that waits, oldest first; gives how many. One that fails is left, logged, and tried again."""
    taken, failed = 0, set[int]()
    while taken < limit:
        with bound("poller"):
            waiting = list(
                Mention.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("item", "source__account", "source__comments_of")
                .filter(Q(taken_at=None) | Q(changed_at__isnull=False))
                .exclude(pk__in=failed)
                .order_by("created_at", "id")[:BATCH]
            )
            # What was said first is taken first, so that a thread reads in order.
            for mention in sorted(waiting, key=lambda m: (m.item.published_at, m.pk)):
                try:
                    with transaction.atomic():
                        done = take(mention, now)
                except Exception:
                    log.exception("mention %s could not become a message; it is tried again", mention.pk)
                    done = False
                if done:
                    taken += 1
                else:
                    failed.add(mention.pk)
        if len(waiting) < BATCH:
            break
    return taken


def take(mention: Mention, now: datetime) -> bool:
    """Takes one mention. False: not yet (a reply of ours is just leaving, and this may be its echo)."""
    item = mention.item
    if mention.taken_at and item.removed_at:
        _removed(item, now)
    elif mention.taken_at and not mention.addressed:
        _edited(item, now)
    elif item.ours:
        if not _our_own(mention, now):
            return False
    else:
        _inbound(mention, now)
    Mention.objects.filter(pk=mention.pk).update(taken_at=now, changed_at=None)
    return True


# ── what they say ───────────────────────────────────────────────────────────────────────────────────────────────────


def _inbound(mention: Mention, now: datetime) -> None:
    item = mention.item
    scope = mention.source.comments_of.scope if mention.source.comments_of else item.scope
    around = Thread.objects.filter(brand_id=mention.brand_id, scope=scope, root_key=item.conversation_key)
    contact = contact_of(item, mention.source, now)
    thread = around.filter(contact=contact).select_for_update().first()
    if thread is None and not (mention.addressed or mention.caught_by.exists()):
        for other in around:
            _add(other, item, Message.Direction.CONTEXT)
        return
    thread = thread or _open(mention, scope, contact, now)
    thread.private = thread.private or item.visibility in DIRECT  # what turns to us directly is no longer for others
    message = _add(thread, item, Message.Direction.INBOUND)
    if message is None:
        return
    history = mention.first_poll and now - item.published_at > HISTORY
    if history and thread.version == 1 and thread.waiting_since is None:
        _as_history(thread, message)
    else:
        _wake(thread, message, item, now)
    thread.save()
    live.touch(thread.brand_id)
    if not history and not item.removed_at:
        steady = mention.source.interval if mention.source.steady else 0
        watch(item, thread.brand_id, thread.account, now + WARM, now, steady)


def _open(mention: Mention, scope: str, contact: Contact, now: datetime) -> Thread:
    item, source = mention.item, mention.source
    account = source.account if source.account and voice.can_speak(item.network) else _account_for(mention)
    thread, _ = Thread.objects.select_for_update().get_or_create(
        brand_id=mention.brand_id,
        scope=scope,
        root_key=item.conversation_key,
        contact=contact,
        defaults={
            "source": source,
            "account": account,
            "network": item.network,
            "subject": item.title[:300],
            "language": item.language,
            "via": (item.author_handle or source.name)[:300],
            "private": item.visibility in DIRECT,
            "opened_at": item.published_at,
            "last_message_at": item.published_at,
            "last_inbound_at": item.published_at,
        },
    )
    return thread


def _account_for(mention: Mention) -> Account | None:
    """The identity that would answer: the brand's only one on that network; of several, a person chooses."""
    if not voice.can_speak(mention.item.network):
        return None
    accounts = Account.objects.filter(brand_id=mention.brand_id, kind=mention.item.network, state=Account.State.ACTIVE)[
        :2
    ]
    return accounts[0] if len(accounts) == 1 else None


def _add(thread: Thread, item: Item, direction: str) -> Message | None:
    """Adds the item to the thread; None if it stands there already."""
    message, made = Message.objects.get_or_create(
        thread=thread,
        item=item,
        defaults={
            "direction": direction,
            "at": item.published_at,
            "team_at": max(item.published_at, item.discovered_at),
            "removed_at": item.removed_at,
        },
    )
    return message if made else None


def _as_history(thread: Thread, message: Message) -> None:
    thread.history = True
    thread.state, thread.end_reason = Thread.State.CLOSED, Thread.EndReason.HISTORY
    _show(thread, message.item, message.at)


def _wake(thread: Thread, message: Message, item: Item, now: datetime) -> None:
    """They spoke: the thread is open again, and somebody waits."""
    if thread.state != Thread.State.OPEN:
        Event.objects.create(thread=thread, at=now, kind="reopened_by_message")
        lifecycle.open_again(thread)
    later_answer = thread.messages.filter(
        direction=Message.Direction.OUTBOUND, at__gt=message.at, removed_at=None
    ).exists()
    if thread.waiting_since is None and not later_answer:
        spells.begin(thread, message)
    thread.version += 1
    if message.at >= thread.last_message_at:
        _show(thread, item, message.at)
        thread.last_ours = False
    thread.last_inbound_at = max(thread.last_inbound_at, message.at)


def _show(thread: Thread, item: Item | None, at: datetime) -> None:
    if item is not None:
        thread.snippet = " ".join((item.text or item.title).split())[:300]
    thread.last_message_at = max(thread.last_message_at, at)


# ── what we said on the network itself ──────────────────────────────────────────────────────────────────────────────


def _our_own(mention: Mention, now: datetime) -> bool:
    """Our own words, found by a poll: the echo of a reply that left from here, or an answer given outside Ascolto."""
    item = mention.item
    same = Q(remote_id=item.external_id) | Q(remote_url=item.url, remote_url__gt="")  # a person pastes the link
    echo = Reply.objects.filter(same, thread__brand_id=mention.brand_id, state=Reply.State.SENT).first()
    if echo is not None:
        Message.objects.filter(reply=echo, item=None).update(item=item)
        return True
    threads = Thread.objects.select_for_update().filter(
        brand_id=mention.brand_id, scope=item.scope, root_key=item.conversation_key
    )
    answered = threads.filter(messages__item__external_id=item.in_reply_to) if item.in_reply_to else threads.none()
    for thread in answered:
        leaving = (Reply.State.SENDING, Reply.State.UNCERTAIN)
        if thread.replies.filter(state__in=leaving).exists():
            return False
        message = _add(thread, item, Message.Direction.OUTBOUND)
        if message is not None:
            answered_outside(thread, message, now)
    return True


def answered_outside(thread: Thread, message: Message, now: datetime) -> None:
    """An answer given on the network itself ends the spell at the network's time, credited to 'outside Ascolto'."""
    if thread.waiting_since is not None and message.at >= thread.last_inbound_at:
        spells.end(thread, "answered", message.at, answered_by=message)
        Event.objects.create(thread=thread, at=now, kind="answered_outside", data={"message": message.pk})
    thread.version += 1
    if message.at >= thread.last_message_at:
        thread.last_message_at, thread.last_ours = message.at, True
    thread.save()
    live.touch(thread.brand_id)


# ── what changes afterwards ─────────────────────────────────────────────────────────────────────────────────────────


def _edited(item: Item, now: datetime) -> None:
    """The words changed under a conversation: whoever is writing an answer is told."""
    for message in item.messages.select_related("thread"):
        thread = message.thread
        Thread.objects.filter(pk=thread.pk).update(version=F("version") + 1)
        if message.direction == Message.Direction.INBOUND and message.at == thread.last_inbound_at:
            Thread.objects.filter(pk=thread.pk).update(snippet=" ".join((item.text or item.title).split())[:300])
        Event.objects.create(thread=thread, at=now, kind="edited_by_author", data={"message": message.pk})
        live.touch(thread.brand_id)


def _removed(item: Item, now: datetime) -> None:
    """Deleted on the network: deleted here. When nothing that waits is left, the spell ends as withdrawn."""
    for message in item.messages.filter(removed_at=None).select_related("thread"):
        message.removed_at = item.removed_at
        message.save(update_fields=["removed_at"])
        thread = Thread.objects.select_for_update().get(pk=message.thread_id)
        thread.version += 1
        Event.objects.create(thread=thread, at=now, kind="removed_at_source", data={"message": message.pk})
        if message.direction == Message.Direction.INBOUND and thread.waiting_since is not None:
            waiting = thread.messages.filter(
                direction=Message.Direction.INBOUND, removed_at=None, team_at__gte=thread.waiting_since
            )
            if not waiting.exists():
                lifecycle.withdraw(thread, now)
        if message.at == thread.last_inbound_at:
            thread.snippet = ""
        thread.save()
        live.touch(thread.brand_id)
