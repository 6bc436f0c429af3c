"""The doors to what conversations keeps: an object is found through the brand and the person, or not at all (404).

Staff find threads of their brands. A consultant finds the public threads of brands they are engaged for at this
moment, and through other functions than staff, so that nothing of the team's can come along.
"""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import Http404

from accounts.models import Brand, Engagement, Staff
from conversations.models import Advice, Event, Label, Message, Reply, Thread
from listening.models import Account

Row = TypeVar("Row", bound=Model)


def thread_for(brand: Brand, thread_id: int) -> Thread:
    """A thread of a brand that was itself found through the person. Raises Http404."""
    return _one(
        Thread.objects.select_related("contact", "owner__person", "account", "source").filter(brand=brand), thread_id
    )


def reply_for(thread: Thread, reply_id: int) -> Reply:
    return _one(Reply.objects.select_related("thread", "account", "author__person").filter(thread=thread), reply_id)


def advice_for(thread: Thread, advice_id: int) -> Advice:
    return _one(Advice.objects.select_related("thread").filter(thread=thread), advice_id)


def event_for(thread: Thread, event_id: int) -> Event:
    return _one(Event.objects.select_related("thread").filter(thread=thread), event_id)


def label_for(brand: Brand, label_id: int) -> Label:
    return _one(Label.objects.filter(brand=brand), label_id)


def colleague_for(brand: Brand, staff_id: int) -> Staff:
    return _one(colleagues_of(brand), staff_id)


def colleagues_of(brand: Brand) -> QuerySet[Staff]:
    return Staff.objects.select_related("person").filter(brands=brand, person__active=True).order_by("person__name")


def account_for(thread: Thread, account_id: int) -> Account:
    """An identity that may answer this thread: of its brand, on its network, not paused."""
    return _one(accounts_for(thread), account_id)


def accounts_for(thread: Thread) -> QuerySet[Account]:
    return Account.objects.filter(brand_id=thread.brand_id, kind=thread.network, state=Account.State.ACTIVE).order_by(
        "handle"
    )


# ── consultants ─────────────────────────────────────────────────────────────────────────────────────────────────────


THREAD = (
    *("brand_id", "contact__name", "contact__kind", "contact__since", "owner__kind", "owner__person__name", "network"),
    *("subject", "snippet", "via", "language", "state", "end_reason", "waiting_since", "due_at", "last_message_at"),
    *("version", "private"),
)
"""The columns of a thread that consultants' pages read; the database gives them no others."""


def engaged_threads(brand: Brand) -> QuerySet[Thread]:
    """The public conversation of a brand that was found through a running engagement; no column of the team's."""
    threads = Thread.objects.filter(brand=brand, private=False)
    return threads.select_related("contact", "owner__person").only(*THREAD)


def engaged_thread(brand: Brand, thread_id: int) -> Thread:
    return _one(engaged_threads(brand), thread_id)


def engaged_message(thread: Thread, message_id: int) -> Message:
    """What somebody said in public, or our public answer."""
    said = public_messages(thread).exclude(direction=Message.Direction.CONTEXT)
    return _one(said.only("thread_id", "direction"), message_id)


def public_messages(thread: Thread) -> QuerySet[Message]:
    """Without what was said directly: that can stand in a public conversation too, as an aside or around it."""
    return Message.objects.filter(Q(item=None) | Q(item__visibility__in=("public", "unlisted")), thread=thread)


def advice_of(engagement: Engagement) -> QuerySet[Advice]:
    """Advice of the own agency in this engagement, and of no other."""
    return Advice.objects.filter(engagement=engagement)


def _one(found: QuerySet[Row], pk: int) -> Row:
    row = found.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row
