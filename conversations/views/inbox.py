"""The shared inbox: a queue, and in it one open conversation."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.access import brand_for
from accounts.models import Brand, Person
from conversations import outbox, queues, spells, timeline
from conversations.access import accounts_for, colleagues_of, thread_for
from conversations.models import CalendarVersion, Message, Reply, Thread
from conversations.views.frame import frame, toast_of
from listening import voice
from listening.models import Account


@dataclass(slots=True)
class Composer:
    """Where the team writes: what the region templates/regions/composer.html expects."""

    speaks: bool
    client_token: uuid.UUID
    version: int
    why_not: str = ""
    busy: str = ""
    accounts: list[Account] | None = None
    account: Account | None = None
    text: str = ""
    draft_saved_at: datetime | None = None
    limit: int = 0
    length: int = 0
    url_characters: int = 0
    mention: str = ""
    undo_seconds: int = 0
    stale: bool = False
    mode: str = "reply"
    note_text: str = ""


def inbox(request: HttpRequest, brand: str, queue: str) -> HttpResponse:
    """A queue. `?after=` is the next page, `?done=` the event that led here."""
    return show(request, brand, queue)


def thread(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """A queue with a conversation open; opening it marks it as read."""
    return show(request, brand, queue, pk)


def show(
    request: HttpRequest,
    brand_slug: str,
    queue: str,
    thread_id: int | None = None,
    *,
    status: int = 200,
    failed: str = "",
    **composer: Any,
) -> HttpResponse:
    """The inbox page, whole; htmx takes the regions it needs. `failed`: words about what could not be done."""
    person: Person = request.person  # type: ignore[attr-defined]
    if queue not in queues.QUEUES:
        raise Http404
    now = timezone.now()
    brand = brand_for(person, brand_slug)
    page = queues.page(brand, person, queue, request.GET.get("after", ""))
    resumes_at = _resumes_at(brand, now)
    context = frame(request, brand, "inbox", now, queue)
    for row in page.threads:
        row.resumes_at = resumes_at
    context |= {
        "groups": queues.grouped(page.threads, queue, now, _midnight(now)),
        "more_url": f"?{urlencode({'after': page.after})}" if page.after else "",
        "toast": {"text": failed, "failed": True} if failed else toast_of(request, brand, queue, now),
        "thread": None,
    }
    if thread_id is not None:
        context |= conversation(thread_for(brand, thread_id), person, now, resumes_at, **composer)
        for row in page.threads:
            row.unread = row.unread and row.pk != thread_id
    return render(request, "conversations/inbox.html", context, status=status)


def conversation(
    thread: Thread, person: Person, now: datetime, resumes_at: datetime | None = None, **composer: Any
) -> dict[str, Any]:
    """The context of the open conversation and of the contact beside it."""
    read_at = timeline.mark_read(thread, person, now)
    entries = timeline.for_team(thread, read_at)
    thread.label_list = list(thread.labels.all())
    spell = spells.open_spell(thread)
    thread.target_seconds = spell.target.seconds if spell else None
    thread.resumes_at = resumes_at
    last = (
        thread.spells.filter(outcome="answered")
        .order_by("-number")
        .values_list("team_business_seconds", flat=True)
        .first()
    )
    thread.answered_seconds = last
    shown = [entry.of.item for entry in entries if entry.kind in ("message", "context") and entry.of.item]
    thread.live_url = shown[-1].url if shown else ""
    return {
        "thread": thread,
        "entries": entries,
        "colleagues": list(colleagues_of(thread.brand)),
        "brand_labels": list(thread.brand.labels.all()),
        "siblings": _siblings(thread, person),
        "composer": composer_of(thread, person, **composer),
        "identities": list(thread.contact.identities.all()),
        "earlier": timeline.earlier(thread),
    }


def composer_of(thread: Thread, person: Person, **given: Any) -> Composer:
    """The composer as this colleague finds it: their draft, the identity, what the network allows."""
    accounts = list(accounts_for(thread)) if voice.can_speak(thread.network) else []
    draft = thread.replies.select_related("account").filter(author_id=person.pk, state=Reply.State.DRAFT).first()
    account = (draft.account if draft else None) or thread.account or (accounts[0] if len(accounts) == 1 else None)
    box = Composer(
        speaks=bool(accounts),
        why_not="" if accounts else _why_not(thread),
        busy=_("A reply is on its way.") if thread.replies.filter(state__in=outbox.UNDER_WAY).exists() else "",
        accounts=accounts,
        account=account if account in accounts else None,
        client_token=uuid.uuid4(),
        version=thread.version,
        text=draft.text if draft else "",
        draft_saved_at=timezone.localtime(draft.changed_at) if draft else None,
        undo_seconds=settings.UNDO_SECONDS,
    )
    for name, value in given.items():
        setattr(box, name, value)
    parent = thread.messages.filter(direction=Message.Direction.INBOUND).select_related("item").order_by("-at").first()
    if box.account and parent and parent.item:
        box.limit, facts = voice.limits(box.account)
        box.length = voice.length(box.account, box.text, parent.item)
        box.url_characters = int(facts.get("url_characters", 0))
        box.mention = parent.item.author_handle
    return box


def _why_not(thread: Thread) -> str:
    if voice.can_speak(thread.network):
        return gettext_noop("No account of the brand is connected here.")
    return gettext_noop("No reply can be sent from here to this place: answer there, then say so.")


def _siblings(thread: Thread, person: Person) -> list[dict[str, Any]]:
    """The same item in other brands of this colleague."""
    items = thread.messages.filter(direction=Message.Direction.INBOUND).values("item_id")
    others = Thread.objects.filter(messages__item_id__in=items, brand__membership__staff_id=person.pk).exclude(
        brand_id=thread.brand_id
    )
    return [
        {"brand": other.brand, "url": reverse("thread", args=[other.brand.slug, "all", other.pk])}
        for other in others.select_related("brand").distinct()
    ]


def _resumes_at(brand: Brand, now: datetime) -> datetime | None:
    """The next opening, when we are closed now."""
    version = CalendarVersion.objects.filter(brand=brand, valid_from__lte=now).order_by("-valid_from").first()
    if version is None:
        return None
    calendar = spells.calendar_of(version)
    return None if calendar.is_open(now) else calendar.next_opening(now)


def _midnight(now: datetime) -> datetime:
    """The end of the reader's day."""
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
