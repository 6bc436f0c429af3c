"""Response times of a brand: the page, the list behind each figure, and the CSV that computes to the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import audit
from accounts.access import brand_for
from accounts.models import Person
from accounts.templatetags.ascolto import duration as in_words
from conversations.models import Spell
from conversations.reports import export, response_times
from conversations.reports.figures import DEFINITIONS
from conversations.reports.response_times import CLOCKS, HOURS, WEEKS, Ear, Estimate, Figures, Selection, Times
from conversations.views.frame import frame

PAGE = 100
OLDEST_FIRST = ("waiting", "overdue", "earlier")
DEFINITIONS_IN_WORDS = {
    "first_median": gettext_lazy(
        "From the author’s first message to our first answer: half of the answered conversations took less. Replies "
        "count when the network has accepted them; those given outside Ascolto count too."
    ),
    "first_p90": gettext_lazy(
        "From the author’s first message to our first answer: nine in ten answered conversations took less."
    ),
    "reply_median": gettext_lazy(
        "From the earliest message without an answer to our reply, each time they waited: half took less. More "
        "messages in between do not start it again; snoozing and assigning do not stop it."
    ),
    "reply_p90": gettext_lazy(
        "From the earliest message without an answer to our reply, each time they waited: nine in ten took less."
    ),
}
HEADINGS = {
    "first": gettext_lazy("First answers"),
    "reply": gettext_lazy("Answers"),
    "first_all": gettext_lazy("First answers, with those still waiting"),
    "reply_all": gettext_lazy("Answers, with those still waiting"),
    "share": gettext_lazy("In time or late"),
    "waiting": gettext_lazy("Still waiting"),
    "overdue": gettext_lazy("Overdue"),
    "earlier": gettext_lazy("Waiting since before this period"),
    "late_find": gettext_lazy("Left out: found more than 24 hours after it was said"),
    "private": gettext_lazy("Left out: direct messages"),
    "withdrawn": gettext_lazy("Left out: withdrawn by the author"),
}


def report(request: HttpRequest, brand: str) -> HttpResponse:
    """`?weeks=&source=&clock=&hours=`; what can't be read is taken as not said."""
    chosen = _selection(request, brand)
    found = response_times.report(chosen)
    ears = response_times.ears(chosen)
    if chosen.source is not None and chosen.source not in {ear.pk for ear in ears}:
        raise Http404
    target = response_times.target_of(chosen)
    context = frame(request, chosen.brand, "reports", chosen.now) | {
        "since": chosen.mondays[0],
        "until": chosen.now.astimezone(chosen.zone).date(),
        "choices": {"weeks": WEEKS, "sources": [ear for ear in ears if ear.shown or ear.pk == chosen.source]},
        "chosen": {
            "weeks": chosen.weeks,
            "source": chosen.source or "",
            "clock": chosen.clock,
            "hours": chosen.hours,
        },
        "sentence": _sentence(chosen, found.now, found.before),
        "figures": _figures(chosen, found.now, found.before),
        "share": _share(chosen, found.now, found.before),
        "waiting": _waiting(chosen, found.now, found.waiting_earlier),
        "series": [_week(chosen, monday, found.by_week.get(monday, Figures()), ears) for monday in chosen.mondays],
        "target": target if (chosen.clock, chosen.hours) == ("team", "business") else None,
        "by_source": [_source(chosen, ear, found.by_source[ear.pk]) for ear in ears if ear.pk in found.by_source],
        "left_out": _left_out(chosen, found.now),
        "definition": DEFINITIONS,
        "computed_at": chosen.now,
    }
    return render(request, "conversations/report.html", context)


def csv(request: HttpRequest, brand: str) -> HttpResponse:
    """The same address as the page's: a row for each spell of the selection. Who took it is recorded."""
    person: Person = request.person  # type: ignore[attr-defined]
    chosen = _selection(request, brand)
    content = export.to_csv(chosen)
    audit.record(
        person.pk,
        "report.exported",
        chosen.brand,
        chosen.now,
        weeks=chosen.weeks,
        source=chosen.source,
        definition=DEFINITIONS,
    )
    response = HttpResponse(content, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{export.file_name(chosen)}"'
    return response


def listed(request: HttpRequest, brand: str) -> HttpResponse:
    """The spells behind a figure: the page's address with `figure=`, and `week=` for one week. `after=`: next page."""
    chosen = _selection(request, brand)
    figure, week = request.GET.get("figure", "reply"), _monday(request.GET.get("week", ""))
    if figure not in HEADINGS:
        raise Http404
    spells = response_times.behind(chosen, figure, week)
    rows = _page(spells, request.GET.get("after", ""), oldest_first=figure in OLDEST_FIRST)
    waited = response_times.Waited(chosen.brand, chosen.now)
    for spell in rows[:PAGE]:
        spell.seconds = export.duration(spell, chosen.clock, chosen.hours, waited)  # type: ignore[attr-defined]
    more = {"figure": figure, **({"week": week.isoformat()} if week else {}), "after": _mark(rows[:PAGE])}
    context = frame(request, chosen.brand, "reports", chosen.now) | {
        "heading": HEADINGS[figure],
        "total": spells.count(),
        "rows": rows[:PAGE],
        "back": f"{reverse('reports', args=[brand])}?{_query(chosen)}",
        "more_url": f"?{_query(chosen, **more)}" if len(rows) > PAGE else "",
    }
    return render(request, "conversations/report_list.html", context)


# ── the address ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _selection(request: HttpRequest, slug: str) -> Selection:
    person: Person = request.person  # type: ignore[attr-defined]
    brand = brand_for(person, slug)
    asked = request.GET
    weeks = next((weeks for weeks in WEEKS if str(weeks) == asked.get("weeks")), 12)
    return Selection(
        brand,
        timezone.now(),
        weeks,
        source=int(asked["source"]) if re.fullmatch("[0-9]{1,18}", asked.get("source", "")) else None,
        clock=asked["clock"] if asked.get("clock") in CLOCKS else CLOCKS[0],
        hours=asked["hours"] if asked.get("hours") in HOURS else HOURS[0],
    )


def _query(chosen: Selection, **more: str | int) -> str:
    said = {"weeks": chosen.weeks, "source": chosen.source or "", "clock": chosen.clock, "hours": chosen.hours}
    return urlencode(said | more)


def _list_url(chosen: Selection, figure: str, **more: str | int) -> str:
    return f"{reverse('report-list', args=[chosen.brand.slug])}?{_query(chosen, figure=figure, **more)}"


def _monday(asked: str) -> date | None:
    try:
        return date.fromisoformat(asked)
    except ValueError:
        return None


# ── what the page shows ─────────────────────────────────────────────────────────────────────────────────────────────


def _figures(chosen: Selection, now: Figures, before: Figures) -> list[dict[str, Any]]:
    first_estimate, reply_estimate = response_times.estimates(chosen)
    return [
        _figure(chosen, "first_median", _("First answer, median"), now.first, before.first, first_estimate),
        _figure(chosen, "first_p90", _("First answer, p90"), now.first, before.first, first_estimate),
        _figure(chosen, "reply_median", _("Any answer, median"), now.reply, before.reply, reply_estimate),
        _figure(chosen, "reply_p90", _("Any answer, p90"), now.reply, before.reply, reply_estimate),
    ]


def _figure(chosen: Selection, key: str, name: str, now: Times, before: Times, estimate: Estimate) -> dict[str, Any]:
    behind, _separator, figure = key.partition("_")
    seconds, earlier = getattr(now, figure), getattr(before, figure)
    return {
        "key": key,
        "name": name,
        "seconds": seconds,
        "n": now.n,
        "change": seconds - earlier if seconds is not None and earlier is not None else None,
        "definition": DEFINITIONS_IN_WORDS[key],
        "list_url": _list_url(chosen, behind),
        "estimate": getattr(estimate, figure),
        "estimate_url": _list_url(chosen, f"{behind}_all"),
    }


def _share(chosen: Selection, now: Figures, before: Figures) -> dict[str, Any]:
    known = now.percent is not None and before.percent is not None
    return {
        "percent": now.percent,
        "n": now.met + now.missed,
        "change": round(now.percent) - round(before.percent) if known else None,  # type: ignore[arg-type]
        "list_url": _list_url(chosen, "share"),
    }


def _waiting(chosen: Selection, now: Figures, earlier: int) -> dict[str, Any]:
    return {
        "open": now.open,
        "overdue": now.overdue,
        "oldest": (chosen.now - now.oldest).total_seconds() if now.oldest else None,
        "earlier": earlier,
        "list_url": _list_url(chosen, "waiting"),
        "overdue_url": _list_url(chosen, "overdue"),
        "earlier_url": _list_url(chosen, "earlier"),
    }


HATCHED = 0.2
"""Share of the sources that were deaf in a week, from which the chart hatches it."""


@dataclass(frozen=True, slots=True)
class Week:
    """A point of the line chart and a row of its table."""

    start: date
    n: int
    median: float | None
    p90: float | None
    deaf_sources: list[str]
    """Named in the table, however few."""
    deaf: bool
    """So many of the sources that the chart hatches the week: its figures say little."""
    list_url: str


def _week(chosen: Selection, monday: date, figures: Figures, ears: list[Ear]) -> Week:
    listened = [ear for ear in ears if ear.shown and chosen.source in (None, ear.pk)]
    deaf_sources = [ear.name for ear in listened if monday in ear.deaf]
    deaf = bool(deaf_sources) and len(deaf_sources) >= HATCHED * len(listened)
    list_url = _list_url(chosen, "reply", week=monday.isoformat())
    return Week(monday, figures.reply.n, figures.reply.median, figures.reply.p90, deaf_sources, deaf, list_url)


def _source(chosen: Selection, ear: Ear, figures: Figures) -> dict[str, Any]:
    return {
        "name": ear.name,
        "network": ear.kind,
        "n": figures.reply.n,
        "median": figures.reply.median,
        "p90": figures.reply.p90,
        "percent": figures.percent,
        "waiting": figures.open,
        "list_url": _list_url(chosen, "reply", source=ear.pk),
        "share_url": _list_url(chosen, "share", source=ear.pk),
        "waiting_url": _list_url(chosen, "waiting", source=ear.pk),
    }


def _left_out(chosen: Selection, now: Figures) -> list[dict[str, Any]]:
    counted = {
        "late_find": (
            now.late_find,
            ngettext("found after more than a day", "found after more than a day", now.late_find),
        ),
        "private": (now.private, ngettext("direct message", "direct messages", now.private)),
        "withdrawn": (now.withdrawn, ngettext("withdrawn", "withdrawn", now.withdrawn)),
    }
    return [{"n": n, "words": words, "list_url": _list_url(chosen, key)} for key, (n, words) in counted.items() if n]


def _sentence(chosen: Selection, now: Figures, before: Figures) -> str:
    """The report in plain words: how long a first answer took, how that moved, and who still waits."""
    if now.first.median is None:
        sentences = [_("Too few conversations were answered in this period for a figure.")]
    else:
        times = {"median": in_words(now.first.median), "p90": in_words(now.first.p90)}
        if chosen.hours == "business":
            words = _(
                "In working hours, a typical first answer took %(median)s; nine in ten took no more than %(p90)s."
            )
        else:
            words = _("A typical first answer took %(median)s; nine in ten took no more than %(p90)s.")
        sentences = [words % times, *_moved(now.first.median, before.first.median)]
    return " ".join([*sentences, _still_waiting(now)])


def _moved(now: float, before: float | None) -> list[str]:
    if before is None:
        return []
    if abs(now - before) < 60:
        return [_("That is as fast as in the period before.")]
    words = _("That is %(time)s faster than before.") if now < before else _("That is %(time)s slower than before.")
    return [words % {"time": in_words(abs(now - before))}]


def _still_waiting(now: Figures) -> str:
    if not now.open:
        return _("Nobody is waiting now.")
    waiting = ngettext("%(n)d person is still waiting", "%(n)d people are still waiting", now.open) % {"n": now.open}
    if not now.overdue:
        return _("%(waiting)s, all within the target.") % {"waiting": waiting}
    late = ngettext("%(n)d past the target", "%(n)d past the target", now.overdue) % {"n": now.overdue}
    return _("%(waiting)s, %(late)s.") % {"waiting": waiting, "late": late}


# ── pages of a list ─────────────────────────────────────────────────────────────────────────────────────────────────


def _page(spells: QuerySet[Spell], after: str, *, oldest_first: bool) -> list[Spell]:
    """One row more than a page holds, from behind the mark; a mark that can't be read shows the first page."""
    rows = spells.select_related("source", "thread__contact")
    found = _place(after)
    if found:
        at, pk = found
        side = "gt" if oldest_first else "lt"
        rows = rows.filter(Q(**{f"team_started_at__{side}": at}) | Q(team_started_at=at, **{f"pk__{side}": pk}))
    order = ("team_started_at", "pk") if oldest_first else ("-team_started_at", "-pk")
    return list(rows.order_by(*order)[: PAGE + 1])


def _mark(rows: list[Spell]) -> str:
    return f"{rows[-1].team_started_at.isoformat()}_{rows[-1].pk}" if rows else ""


def _place(after: str) -> tuple[datetime, int] | None:
    at, _separator, pk = after.partition("_")
    try:
        moment = datetime.fromisoformat(at)
        return (moment, int(pk)) if moment.utcoffset() is not None else None
    except ValueError:
        return None
