"""What is written in a thread: drafts, replies, notes, 'I answered there', and what becomes of a reply."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import time_format
from django.utils.translation import gettext as _

from accounts.access import brand_for
from accounts.doors import whole
from accounts.models import Person
from conversations import notes, outbox
from conversations.access import account_for, advice_for, reply_for, thread_for
from conversations.models import Thread
from conversations.views.inbox import show
from listening import voice
from listening.models import Account


def _found(request: HttpRequest, brand: str, pk: int) -> tuple[Person, Thread]:
    person: Person = request.person  # type: ignore[attr-defined]
    return person, thread_for(brand_for(person, brand), pk)


def _back(brand: str, queue: str, pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("thread", args=[brand, queue, pk]), status=303)


def _account(request: HttpRequest, thread: Thread) -> Account | None:
    chosen = request.POST.get("account", "")
    return account_for(thread, whole(chosen)) if chosen else None


def draft(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """Keeps the draft; says when, and how long the network would count it."""
    person, thread = _found(request, brand, pk)
    try:
        kept = outbox.save_draft(
            thread, person, request.POST.get("text", ""), timezone.now(), _account(request, thread)
        )
    except outbox.Refusal as refusal:
        return JsonResponse({"error": _(refusal.words)}, status=422)
    parent = kept.parent if kept.parent.item_id else None
    length = voice.length(kept.account, kept.text, parent.item) if kept.account and parent and parent.item else 0
    return JsonResponse({"saved": time_format(timezone.localtime(kept.changed_at), "G:i"), "length": length})


def reply(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """Queues the reply. Stale: 409 with what is new in view, and nothing was sent."""
    person, thread = _found(request, brand, pk)
    text = request.POST.get("text", "")
    try:
        token = uuid.UUID(request.POST.get("client_token", ""))
        outbox.submit(
            thread,
            person,
            text,
            whole(request.POST.get("version", "")),
            token,
            timezone.now(),
            _account(request, thread),
        )
    except ValueError:
        return show(
            request,
            brand,
            queue,
            pk,
            status=422,
            failed=_("This form is damaged. Reload the page; your text is kept."),
            text=text,
        )
    except outbox.StaleReply as refusal:
        return show(request, brand, queue, pk, status=409, failed=_(refusal.words), text=text, stale=True)
    except outbox.Refusal as refusal:
        return show(request, brand, queue, pk, status=422, failed=_(refusal.words), text=text)
    return _back(brand, queue, pk)


def note(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    person, thread = _found(request, brand, pk)
    text = request.POST.get("text", "")
    try:
        notes.add_note(thread, person, text, timezone.now())
    except notes.Refusal as refusal:
        return show(request, brand, queue, pk, status=422, failed=_(refusal.words), mode="note", note_text=text)
    return _back(brand, queue, pk)


def answered(request: HttpRequest, brand: str, queue: str, pk: int) -> HttpResponse:
    """'I answered there': url, at (local), text."""
    person, thread = _found(request, brand, pk)
    now = timezone.now()
    try:
        parsed = parse_datetime(request.POST.get("at", "") or "")
    except ValueError:
        parsed = None
    at = timezone.make_aware(parsed) if parsed and timezone.is_naive(parsed) else parsed or now
    try:
        outbox.answered_there(
            thread, person, request.POST.get("url", "").strip(), request.POST.get("text", "").strip(), at, now
        )
    except outbox.Refusal as refusal:
        return show(request, brand, queue, pk, status=422, failed=_(refusal.words))
    return _back(brand, queue, pk)


def reply_undo(request: HttpRequest, brand: str, queue: str, pk: int, reply_id: int) -> HttpResponse:
    """Undo send: the text goes back to its author's composer."""
    person, thread = _found(request, brand, pk)
    found = reply_for(thread, reply_id)
    try:
        outbox.take_back(found, person, timezone.now())
    except outbox.Refusal as refusal:
        return show(request, brand, queue, pk, status=409, failed=_(refusal.words))
    return _back(brand, queue, pk)


def reply_decide(request: HttpRequest, brand: str, queue: str, pk: int, reply_id: int) -> HttpResponse:
    """What a person decides on a reply that needs them: retry, queue, draft, cancel, out (with url), not_out."""
    person, thread = _found(request, brand, pk)
    found, now = reply_for(thread, reply_id), timezone.now()
    link = request.POST.get("url", "").strip()
    decisions: dict[str, Any] = {
        "retry": lambda: outbox.release(found, person, now),
        "queue": lambda: outbox.release(found, person, now),
        "draft": lambda: outbox.take_back(found, person, now),
        "cancel": lambda: outbox.cancel(found, person, now),
        "out": lambda: outbox.decide(found, person, True, link, now),
        "not_out": lambda: outbox.decide(found, person, False, "", now),
    }
    decision = decisions.get(request.POST.get("decision", ""))
    if decision is None:
        return show(request, brand, queue, pk, status=422, failed=_("Choose what is to become of it."))
    try:
        decision()
    except outbox.Refusal as refusal:
        return show(request, brand, queue, pk, status=422, failed=_(refusal.words))
    return _back(brand, queue, pk)


def advice_decide(request: HttpRequest, brand: str, queue: str, pk: int, advice_id: int) -> HttpResponse:
    """decision=taken, or declined with a reason."""
    person, thread = _found(request, brand, pk)
    found = advice_for(thread, advice_id)
    taken = request.POST.get("decision") == "taken"
    try:
        notes.decide(found, taken, person, request.POST.get("reason", ""), timezone.now())
    except notes.Refusal as refusal:
        return show(request, brand, queue, pk, status=422, failed=_(refusal.words))
    return _back(brand, queue, pk)
