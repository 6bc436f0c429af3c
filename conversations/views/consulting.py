"""The consultant's area: reads the public conversation, advises, and nothing else. Own URLs, own templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core import signing
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import live
from accounts.access import engaged_brands_of, engagement_for
from accounts.doors import whole
from accounts.models import Brand, Engagement, Person
from conversations import notes, timeline
from conversations.access import advice_of, engaged_message, engaged_thread, engaged_threads
from conversations.models import Advice, Thread, ThreadLabel

PAGE = 50
MARK = "consult-page"


def _frame(request: HttpRequest, engagement: Engagement, brand: Brand, now: datetime) -> dict[str, Any]:
    person: Person = request.person  # type: ignore[attr-defined]
    states = advice_of(engagement).aggregate(
        open=Count("pk", filter=Q(state=Advice.State.OPEN)),
        taken=Count("pk", filter=Q(state=Advice.State.TAKEN)),
        decided=Count("pk", filter=Q(state__in=(Advice.State.TAKEN, Advice.State.DECLINED))),
    )
    return {
        "brand": brand,
        "brands": list(engaged_brands_of(person, now)),
        "engagement": engagement,
        "advice_count": states,
        "stamp": live.sign(request.session.session_key or "", brand.pk, engagement.over_at.timestamp()),
        "toast": {"text": _("Sent to the team.")} if request.GET.get("sent") else None,
        "now": timezone.localtime(now),
        "section": "read",
    }


def threads(request: HttpRequest, brand: str) -> HttpResponse:
    """The public conversations of the brand, newest first; `?mine=1`: those with one's own advice."""
    person: Person = request.person  # type: ignore[attr-defined]
    now = timezone.now()
    engagement, found = engagement_for(person, brand, now)
    mine = request.GET.get("mine") == "1"
    own = Advice.objects.filter(thread=OuterRef("pk"), author=person, engagement=engagement).order_by()
    rows = _ordered(engaged_threads(found), request.GET.get("after", ""))
    if mine:
        rows = rows.filter(pk__in=advice_of(engagement).filter(author=person).values("thread_id"))
    rows = rows.annotate(my_advice=Subquery(own.values("thread").annotate(n=Count("pk")).values("n")))
    page = list(rows[: PAGE + 1])
    _with_labels(page)
    context = _frame(request, engagement, found, now) | {
        "threads": page[:PAGE],
        "section": "advice" if mine else "read",
        "more_url": "",
    }
    if len(page) > PAGE:
        mark = {"after": _mark(page[PAGE - 1])} | ({"mine": "1"} if mine else {})
        context["more_url"] = f"?{urlencode(mark)}"
    return render(request, "consult/threads.html", context)


def _ordered(rows: QuerySet[Thread], after: str = "") -> QuerySet[Thread]:
    """Newest first, behind the mark of the page before. A mark that was tampered with shows the first page."""
    rows = rows.order_by("-last_message_at", "-pk")
    try:
        at, pk = signing.loads(after, salt=MARK)
    except signing.BadSignature:
        return rows
    return rows.filter(Q(last_message_at__lt=at) | Q(last_message_at=at, pk__lt=pk))


def _mark(row: Thread) -> str:
    return signing.dumps([row.last_message_at.isoformat(), row.pk], salt=MARK)


def _with_labels(rows: Sequence[Thread]) -> None:
    by_thread: dict[int, list[Any]] = {}
    for link in (
        ThreadLabel.objects.filter(thread_id__in=[row.pk for row in rows])
        .select_related("label")
        .order_by("label__name")
    ):
        by_thread.setdefault(link.thread_id, []).append(link.label)
    for row in rows:
        row.label_list = by_thread.get(row.pk, [])


def thread(request: HttpRequest, brand: str, pk: int) -> HttpResponse:
    """One public conversation, the own agency's advice in its margin. `?about=` is the message to advise on."""
    return _show(request, brand, pk)


def _show(
    request: HttpRequest,
    brand: str,
    pk: int,
    *,
    status: int = 200,
    errors: str = "",
    written: dict[str, Any] | None = None,
) -> HttpResponse:
    person: Person = request.person  # type: ignore[attr-defined]
    now = timezone.now()
    engagement, found = engagement_for(person, brand, now)
    one = engaged_thread(found, pk)
    _with_labels([one])
    entries = timeline.for_consultant(one, engagement)
    chosen = request.POST.get("message") or request.GET.get("about", "")
    inbound = [entry.of.pk for entry in entries if entry.kind == "message"]
    about = next((said for said in inbound if str(said) == chosen), inbound[-1] if inbound else None)
    context = _frame(request, engagement, found, now) | {
        "thread": one,
        "entries": entries,
        "about": about,
        "kinds": Advice.Kind.choices,
        "previous_url": _beside(found, one, newer=True),
        "next_url": _beside(found, one, newer=False),
        "form_errors": errors,
        "written": written or {"kinds": [Advice.Kind.TONE]},
    }
    return render(request, "consult/thread.html", context, status=status)


def _beside(brand: Brand, thread: Thread, *, newer: bool) -> str:
    """The address of the conversation before or after this one in the list."""
    rows = engaged_threads(brand)
    if newer:
        rows = rows.filter(last_message_at__gt=thread.last_message_at).order_by(F("last_message_at").asc())
    else:
        rows = rows.filter(last_message_at__lt=thread.last_message_at).order_by(F("last_message_at").desc())
    pk = rows.values_list("pk", flat=True).first()
    return reverse("consult-thread", args=[brand.slug, pk]) if pk else ""


def advise(request: HttpRequest, brand: str, pk: int) -> HttpResponse:
    """message, quote, kinds (several), text, matters=before|next."""
    person: Person = request.person  # type: ignore[attr-defined]
    now = timezone.now()
    engagement, found = engagement_for(person, brand, now)
    one = engaged_thread(found, pk)
    message = engaged_message(one, whole(request.POST.get("message", "")))
    text, kinds, quote = request.POST.get("text", ""), request.POST.getlist("kinds"), request.POST.get("quote", "")
    matters = request.POST.get("matters", Advice.Matters.BEFORE)
    try:
        notes.advise(one, message, engagement, person, text, kinds, matters, quote, now)
    except notes.Refusal as refusal:
        written = {"quote": quote, "kinds": kinds, "text": text, "matters": matters}
        return _show(request, brand, pk, status=422, errors=_(refusal.words), written=written)
    return HttpResponseRedirect(reverse("consult-thread", args=[brand, pk]) + f"?sent=1&about={message.pk}", status=303)
