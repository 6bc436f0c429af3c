"""The only way in: a mention becomes a message of a thread, with its contact and its spell.

Called by the bell and by a sweep; twice is the same as once. A thread is one brand's conversation with one outside
author under one root; what others say there is context. What we said on the network itself is found here too, and ends
the spell that it answers.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from accounts import live
from accounts.binding import bound
from conversations import lifecycle, spells
from conversations.models import Contact, Event, Message, Reply, Spell, Thread
from conversations.relationships import contact_of
from listening import voice
from listening.models import Account, Item, Mention
from listening.watching import watch

log = logging.getLogger("ascolto.intake")

HISTORY = timedelta(hours=24)
"""Older than this when a new source is first read: history, not work."""
WARM = timedelta(days=14)
"""How long a conversation is listened to after the last word."""
BATCH = 50
AROUND = 20
"""At most so many threads under one root, or messages, are each other's context."""
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
                if _taken(mention, now):
                    taken += 1
                else:
                    failed.add(mention.pk)
        if len(waiting) < BATCH:
            break
    return taken


def _taken(mention: Mention, now: datetime) -> bool:
    """Takes one mention by itself: if it fails, nothing else fails with it. A second try finds the thread that another
    worker opened at the same moment."""
    for retry in (True, False):
        try:
            with transaction.atomic():
                return take(mention, now)
        except Exception as error:
            if not (retry and isinstance(error, IntegrityError)):
                log.exception("mention %s could not become a message; it is tried again", mention.pk)
                return False
    return False


def take(mention: Mention, now: datetime) -> bool:
    """Takes one mention. False: not yet (a reply of ours is just leaving, and this may be its echo)."""
    item = mention.item
    if item.removed_at:
        _removed(mention, now)
    elif _stands(mention):
        _edited(mention, now)
    elif not item.ours:
        _inbound(mention, now)
    elif not _our_own(mention, now):
        return False
    Mention.objects.filter(pk=mention.pk).update(taken_at=now, changed_at=None)
    return True


def _stands(mention: Mention) -> bool:
    """It is a message of its own already, and no mere context."""
    if mention.taken_at is None:
        return False
    return _messages(mention).exclude(direction=Message.Direction.CONTEXT).exists()


def _messages(mention: Mention) -> QuerySet[Message]:
    return Message.objects.filter(item_id=mention.item_id, thread__brand_id=mention.brand_id)


# ── what they say ───────────────────────────────────────────────────────────────────────────────────────────────────


def _inbound(mention: Mention, now: datetime) -> None:
    item, place = mention.item, _place(mention)
    around = Thread.objects.filter(brand_id=mention.brand_id, scope=place.scope, root_key=place.root_key)
    contact = contact_of(item, mention.source, now)
    thread = around.filter(contact=contact).select_for_update().first()
    others = list(around.exclude(contact=contact).order_by("-last_message_at", "-id")[:AROUND])
    if thread is not None or mention.addressed or mention.caught_by.exists():
        thread = thread or _open(mention, place, contact, others)
        _spoken(mention, thread, now)
    if item.visibility not in DIRECT:
        for other in others:
            _add(other, item, Message.Direction.CONTEXT)


class _Place(NamedTuple):
    """Where a conversation stands: under the root of its network, or under the article that is commented."""

    scope: str
    root_key: str


def _place(mention: Mention) -> _Place:
    root = mention.source.comments_of or mention.item
    return _Place(root.scope, root.conversation_key)


def _spoken(mention: Mention, thread: Thread, now: datetime) -> None:
    """The author of a thread said something."""
    item = mention.item
    message = _add(thread, item, Message.Direction.INBOUND)
    if message is None:
        return
    thread.private = thread.private or item.visibility in DIRECT  # what turns to us directly is no longer for others
    old = mention.first_poll and now - item.published_at > HISTORY
    if old and thread.version == 1:
        _as_history(thread, message)
    elif old:  # what was found late changes nothing in a conversation that is under way
        thread.version += 1
    else:
        _wake(thread, message, item, now)
    thread.save()
    _answers_found_before(mention, thread, item, now)
    live.touch(thread.brand_id)
    if not old:
        watch(_root(item), mention.source, thread.account or _reader(mention), now + WARM, now)


def _root(item: Item) -> Item:
    """What the whole conversation hangs on, where it was heard: one watch is enough for all that is said under it."""
    if item.conversation_key == item.external_id:
        return item
    return Item.objects.filter(scope=item.scope, external_id=item.conversation_key, removed_at=None).first() or item


def _reader(mention: Mention) -> Account | None:
    """The account through which a conversation is read when it is not yet decided which one answers."""
    return mention.source.account if voice.can_speak(mention.item.network) else None


def _open(mention: Mention, place: _Place, contact: Contact, others: list[Thread]) -> Thread:
    """A new thread, with what was said around it so far."""
    item, source = mention.item, mention.source
    thread = Thread.objects.create(
        brand_id=mention.brand_id,
        scope=place.scope,
        root_key=place.root_key,
        contact=contact,
        source=source,
        account=_account_for(mention),
        network=item.network,
        subject=item.title[:300],
        language=item.language,
        via=(item.author_handle or source.name)[:300],
        private=item.visibility in DIRECT,
        opened_at=item.published_at,
        last_message_at=item.published_at,
        last_inbound_at=item.published_at,
    )
    if others:
        _bring_context(thread, others)
    return thread


def _bring_context(thread: Thread, others: list[Thread]) -> None:
    said = Item.objects.filter(messages__thread__in=others, ours=False, removed_at=None)
    heard_in_public = said.exclude(visibility__in=DIRECT).distinct().order_by("-published_at", "-id")
    for item in heard_in_public[:AROUND]:
        _add(thread, item, Message.Direction.CONTEXT)


def _account_for(mention: Mention) -> Account | None:
    """The identity that would answer: the one addressed, or the brand's only one on that network. Of several, a person
    chooses."""
    if not voice.can_speak(mention.item.network):
        return None
    if mention.addressed and mention.source.account:
        return mention.source.account
    accounts = Account.objects.filter(brand_id=mention.brand_id, kind=mention.item.network, state=Account.State.ACTIVE)
    two = list(accounts[:2])
    return two[0] if len(two) == 1 else None


def _add(thread: Thread, item: Item, direction: str) -> Message | None:
    """Adds the item to the thread; None if it stands there already. One statement: this is the hottest of intake."""
    message = Message(
        thread=thread,
        item=item,
        direction=direction,
        at=item.published_at,
        team_at=max(item.published_at, item.discovered_at),
        removed_at=item.removed_at,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO conversations_message (thread_id, item_id, direction, at, team_at, removed_at)
               VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (thread_id, item_id) DO NOTHING RETURNING id""",
            [thread.pk, item.pk, direction, message.at, message.team_at, message.removed_at],
        )
        made = cursor.fetchone()
    if made:
        message.pk, message._state.adding = made[0], False
        return message
    known = Message.objects.get(thread=thread, item=item)
    if known.direction == Message.Direction.CONTEXT != direction:
        known.direction = direction  # it concerns us after all
        known.save(update_fields=["direction"])
        return known
    return None


def _as_history(thread: Thread, message: Message) -> None:
    thread.history = True
    thread.state, thread.end_reason = Thread.State.CLOSED, Thread.EndReason.HISTORY
    _show(thread, message.item, message.at)


def _wake(thread: Thread, message: Message, item: Item, now: datetime) -> None:
    """They spoke: the thread is open again, and somebody waits."""
    if thread.state != Thread.State.OPEN:
        Event.objects.create(thread=thread, at=now, kind="reopened_by_message")
        lifecycle.open_again(thread)
    answers = thread.messages.filter(direction=Message.Direction.OUTBOUND, removed_at=None)
    if thread.waiting_since is None and not answers.filter(at__gte=message.at).exists():
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
    if not item.in_reply_to:
        return True
    place = _place(mention)
    answered = Message.objects.filter(
        Q(item__external_id=item.in_reply_to) | Q(reply__remote_id=item.in_reply_to),
        thread__brand_id=mention.brand_id,
        thread__scope=place.scope,
        thread__root_key=place.root_key,
    )
    parents = dict(answered.values_list("thread_id", "direction"))
    threads = list(Thread.objects.select_for_update().filter(pk__in=parents).order_by("pk"))
    leaving = (Reply.State.SENDING, Reply.State.UNCERTAIN)
    if Reply.objects.filter(thread__in=threads, state__in=leaving).exists():
        return False
    for thread in threads:
        if parents[thread.pk] == Message.Direction.CONTEXT:  # said to somebody else
            _add(thread, item, Message.Direction.CONTEXT)
        else:
            _answer(mention, thread, item, now)
    return True


def _answer(mention: Mention, thread: Thread, item: Item, now: datetime) -> None:
    message = _add(thread, item, Message.Direction.OUTBOUND)
    if message is not None:
        answered_outside(thread, message, now)
        _answers_found_before(mention, thread, item, now)


def _answers_found_before(mention: Mention, thread: Thread, item: Item, now: datetime) -> None:
    """Polls bring things in any order: what we said in answer to `item` may be here already."""
    ours = Item.objects.filter(
        scope=item.scope,
        conversation_key=item.conversation_key,
        in_reply_to=item.external_id,
        ours=True,
        removed_at=None,
        mentions__brand_id=mention.brand_id,
        mentions__taken_at__isnull=False,
    )
    for own in ours.exclude(messages__thread=thread).order_by("published_at"):
        _answer(mention, thread, own, now)


def answered_outside(thread: Thread, message: Message, now: datetime) -> None:
    """An answer given on the network itself ends the spell at the network's time, credited to 'outside Ascolto'. What
    they said after it waits anew."""
    spell = spells.open_spell(thread)
    if spell is not None and message.at >= spell.author_started_at:
        spells.end(thread, Spell.Outcome.ANSWERED, message.at, answered_by=message)
        Event.objects.create(thread=thread, at=now, kind="answered_outside", data={"message": message.pk})
        inbound = thread.messages.filter(direction=Message.Direction.INBOUND, removed_at=None, at__gt=message.at)
        if later := inbound.order_by("at", "pk").first():
            spells.begin(thread, later)
    else:
        spells.answered_earlier(thread, message)
    thread.version += 1
    if message.at >= thread.last_message_at:
        thread.last_message_at, thread.last_ours = message.at, True
    thread.save()
    live.touch(thread.brand_id)


# ── what changes afterwards ─────────────────────────────────────────────────────────────────────────────────────────


def _edited(mention: Mention, now: datetime) -> None:
    """The words changed under a conversation: whoever is writing an answer is told. What was deleted may be back."""
    item = mention.item
    for message in _messages(mention).exclude(direction=Message.Direction.CONTEXT):
        thread = Thread.objects.select_for_update().get(pk=message.thread_id)
        if message.removed_at:
            message.removed_at = None
            message.save(update_fields=["removed_at"])
            if message.direction == Message.Direction.INBOUND:
                _wake(thread, message, item, now)
        elif message.direction == Message.Direction.INBOUND:
            Event.objects.create(thread=thread, at=now, kind="edited_by_author", data={"message": message.pk})
        thread.version += 1
        if message.direction == Message.Direction.INBOUND and message.at == thread.last_inbound_at:
            _show(thread, item, message.at)
        thread.save()
        live.touch(thread.brand_id)


def _removed(mention: Mention, now: datetime) -> None:
    """Deleted on the network: deleted here. When nothing that waits is left, the spell ends as withdrawn."""
    for message in _messages(mention).filter(removed_at=None):
        message.removed_at = mention.item.removed_at
        message.save(update_fields=["removed_at"])
        thread = Thread.objects.select_for_update().get(pk=message.thread_id)
        thread.version += 1
        Event.objects.create(thread=thread, at=now, kind="removed_at_source", data={"message": message.pk})
        if message.direction == Message.Direction.INBOUND:
            if not _still_waits(thread):
                lifecycle.withdraw(thread, now)
            if message.at == thread.last_inbound_at:
                thread.snippet = ""
        thread.save()
        live.touch(thread.brand_id)


def _still_waits(thread: Thread) -> bool:
    """Nobody waits anyway, or something that was said since the spell began is still there."""
    spell = spells.open_spell(thread)
    if spell is None:
        return True
    said = thread.messages.filter(direction=Message.Direction.INBOUND, removed_at=None)
    return said.filter(at__gte=spell.author_started_at).exists()
