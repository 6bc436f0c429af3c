"""How things look and read in a page: icons, avatars, times, durations, due chips. Nothing here asks the database.

Registered as a builtin (config/settings.py): no template needs to load it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import (
    get_language,
    get_language_info,
    gettext,
    gettext_lazy,
    ngettext,
    pgettext,
    pgettext_lazy,
)

register = template.Library()

MARKS = {"mastodon", "bluesky", "reddit", "youtube"}
NETWORK_ICONS = {"feed": "rss", "forum": "messages-square", "review": "star"}
NETWORK_NAMES = {
    "feed": gettext_lazy("the web"),
    "forum": gettext_lazy("the forum"),
    "review": gettext_lazy("the review site"),
    "mastodon": "Mastodon",
    "bluesky": "Bluesky",
    "reddit": "Reddit",
    "youtube": "YouTube",
}
QUEUES = {
    "triage": ("inbox", gettext_lazy("To triage")),
    "mine": ("user-round-check", gettext_lazy("Assigned to me")),
    "waiting": ("hourglass", gettext_lazy("Waiting")),
    "snoozed": ("alarm-clock", gettext_lazy("Snoozed")),
    "closed": ("check-check", gettext_lazy("Closed")),
    "all": ("layers", gettext_lazy("All")),
}
ROLES = {
    "administrator": gettext_lazy("Administrator"),
    "manager": gettext_lazy("Manager"),
    "community_manager": gettext_lazy("Community manager"),
    "consultant": gettext_lazy("External consultant"),
}
ADVICE_KINDS = {
    "tone": pgettext_lazy("advice", "Tone"),
    "facts": pgettext_lazy("advice", "Facts"),
    "escalate": pgettext_lazy("advice", "Escalate"),
    "praise": pgettext_lazy("advice", "Praise"),
}
END_REASONS = {
    "answered": gettext_lazy("Answered"),
    "no_reply_needed": gettext_lazy("No reply needed"),
    "thanks": gettext_lazy("Thanks only"),
    "not_us": gettext_lazy("Not about us"),
    "duplicate": gettext_lazy("Duplicate"),
    "withdrawn": gettext_lazy("Withdrawn by the author"),
    "spam": gettext_lazy("Spam"),
    "other": gettext_lazy("No reply needed"),
}
HUES = 6
LOWER_CASE_DATES = {"it"}
"""Languages that write days and months small, whatever Django's catalogue says."""
SOON = 0.25
"""Amber begins when this share of the target remains (UX.md section 4)."""


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """An icon of the sprite; decoration only, the words stand beside it. `size`: "" (16 px) or "sm" (14 px)."""
    style = " ".join(filter(None, ["i", "glyph" if name in MARKS else "", size]))
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>', style, static("vendor/icons.svg"), name
    )


@register.simple_tag
def network_badge(network: str, style: str = "") -> SafeString:
    """The mark of a network. `style`: "" (round, on an avatar), "flat" (in a line of text)."""
    name = network if network in MARKS else NETWORK_ICONS.get(network, "message-circle")
    return format_html('<span class="src {} {}" aria-hidden="true">{}</span>', network, style, icon(name))


def initials(name: str) -> str:
    """One or two letters that stand for a name: of the first two words, else its first two letters."""
    words = ["".join(letter for letter in word if letter.isalnum()) for word in name.split()]
    words = [word for word in words if word]
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    return words[0][:2] if words else "?"


@register.simple_tag
def avatar(name: str, size: str = "", network: str = "", style: str = "") -> SafeString:
    """Initials on a colour that is always the same for a name. `size`: s20, s24, s28, s36, s56. Hidden from screen
    readers, which hear the name beside it."""
    hue = style or f"h{zlib.crc32(name.encode()) % HUES + 1}"
    badge = network_badge(network) if network else ""
    return format_html('<span class="av {} {}" aria-hidden="true">{}{}</span>', hue, size, initials(name), badge)


@register.simple_tag
def brand_mark(name: str, size: str = "", by: str = "") -> SafeString:
    """The square of the brand; `by` is the colleague whose initials sit on its corner."""
    author = avatar(by, style=f"by h{zlib.crc32(by.encode()) % HUES + 1}") if by else ""
    letter = name[:1].upper()
    return format_html('<span class="av brand-mark {}" aria-hidden="true">{}{}</span>', size, letter, author)


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@register.filter
def network_name(network: str) -> str:
    return str(NETWORK_NAMES.get(network, network.capitalize()))


@register.filter
def queue_name(queue: str) -> str:
    return str(QUEUES[queue][1])


@register.filter
def queue_icon(queue: str) -> str:
    return QUEUES[queue][0]


@register.filter
def role_name(role: str) -> str:
    return str(ROLES.get(role, role))


@register.filter
def advice_kinds(kinds: list[str]) -> str:
    """["tone", "facts"] as "Tone, Facts"."""
    return ", ".join(str(ADVICE_KINDS.get(kind, kind)) for kind in kinds)


@register.filter
def end_reason(reason: str) -> str:
    return str(END_REASONS.get(reason, reason))


@register.filter
def item(mapping: Mapping[str, Any], key: str) -> Any:
    """`mapping[key]`, or None."""
    return mapping.get(key)


# ── times ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: "24 min", "1 h 12", "4 d 6 h"; a dash for none."""
    if seconds is None:
        return "–"
    minutes = int(seconds // 60)
    if minutes < 1:
        return gettext("under 1 min")
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return _of(days, pgettext("days, short", "d")) + (f" {_of(hours, 'h')}" if hours else "")
    if hours:
        return _of(hours, "h") + (f" {minutes:02d}" if minutes else "")
    return _of(minutes, "min")


def _of(number: int, unit: str) -> str:
    """With a no-break space, so that a figure never leaves its unit."""
    return f"{number}\N{NO-BREAK SPACE}{unit}"


def moment(at: datetime, now: datetime) -> str:
    """A time as short as it stays clear: "9:40", "yesterday", "Sat 18:32", "12 Nov", "Nov 2025" (the reader's zone)."""
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    days = (today - local.date()).days
    if days == 0:
        return formats.time_format(local, "G:i")
    if days == 1:
        return gettext("yesterday")
    if 1 < days < 7:
        return _date(local, "D G:i")
    if local.year == today.year or days < 180:
        return _date(local, "j M")
    return _date(local, "M Y")


def _date(local: datetime, form: str) -> str:
    written = formats.date_format(local, form)
    return written.lower() if get_language() in LOWER_CASE_DATES else written


@register.simple_tag
def when(at: datetime | None, now: datetime) -> SafeString | str:
    """<time> with the short form; the whole date on hover."""
    if at is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        full(at),
        moment(at, now),
    )


@register.filter
def full(at: datetime) -> str:
    """ "Monday 23 November 2026, 9:40" in the reader's zone."""
    return _date(timezone.localtime(at), "l j F Y, G:i")


@register.filter
def clock(at: datetime) -> str:
    """ "9:40" in the reader's zone."""
    return formats.time_format(timezone.localtime(at), "G:i")


@register.filter
def day(at: datetime) -> str:
    """ "Saturday 21 November", with the year where it is not this one's."""
    local = timezone.localtime(at)
    return _date(local, "l j F" if local.year == timezone.localdate().year else "l j F Y")


@register.filter
def short_date(at: datetime) -> str:
    """ "31 Mar 2027"."""
    return _date(timezone.localtime(at), "j M Y")


@register.filter
def month(at: datetime) -> str:
    """ "March 2021"."""
    return _date(timezone.localtime(at), "F Y")


@register.simple_tag
def ago(at: datetime | None, now: datetime) -> SafeString | str:
    """ "3 min ago", kept fresh by time.js."""
    if at is None:
        return gettext("never")
    words = gettext("%(time)s ago") % {"time": duration((now - at).total_seconds())}
    return format_html('<time datetime="{}" title="{}" data-ago>{}</time>', at.isoformat(), full(at), words)


# ── due ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@register.simple_tag
def due_chip(thread: Any, now: datetime) -> SafeString | str:
    """How the answer stands, always icon and words (UX.md section 4). Of `thread` it reads `waiting_since`, `due_at`,
    `state`, `end_reason`, and where the view has set them: `target_seconds`, `resumes_at` (the next opening, when we are
    closed now) and `answered_seconds`. time.js keeps the words fresh."""
    if thread.waiting_since is None:
        return _answered_chip(thread)
    if thread.due_at is None:
        waited = duration((now - thread.waiting_since).total_seconds())
        return _chip("", "hourglass", gettext("Waiting for %(time)s") % {"time": waited})
    resumes_at = getattr(thread, "resumes_at", None)
    if resumes_at is not None and now < resumes_at < thread.due_at:
        return _chip("", "moon", gettext("Out of hours, resumes %(time)s") % {"time": _date_time(resumes_at)})
    soon_at = thread.due_at - timedelta(seconds=SOON * _target(thread))
    style, shape, words = due_words(thread.due_at, soon_at, now)
    return format_html(
        '<span class="chip {}" data-due="{}" data-soon="{}">{}<span>{}</span></span>',
        style,
        thread.due_at.isoformat(),
        soon_at.isoformat(),
        icon(shape),
        words,
    )


def due_words(due_at: datetime, soon_at: datetime, now: datetime) -> tuple[str, str, str]:
    """(colour, icon, words) of a due time; time.js does the same sum."""
    left = (due_at - now).total_seconds()
    if left < 0:
        return "bad", "triangle-alert", gettext("Overdue by %(time)s") % {"time": duration(-left)}
    if now >= soon_at:
        return "warn", "hourglass", gettext("Due in %(time)s") % {"time": duration(left)}
    return "ok", "clock", gettext("Within %(time)s") % {"time": duration(left)}


def _target(thread: Any) -> float:
    return getattr(thread, "target_seconds", None) or (thread.due_at - thread.waiting_since).total_seconds()


def _date_time(at: datetime) -> str:
    return _date(timezone.localtime(at), "D G:i")


def _answered_chip(thread: Any) -> SafeString | str:
    seconds = getattr(thread, "answered_seconds", None)
    if seconds is not None:
        return _chip("", "check", gettext("Answered in %(time)s") % {"time": duration(seconds)})
    if thread.state == "closed" and thread.end_reason:
        return _chip("", "check-check", end_reason(thread.end_reason))
    return ""


def _chip(style: str, shape: str, words: str) -> SafeString:
    return format_html('<span class="chip {}">{}{}</span>', style, icon(shape), words)


@register.simple_tag
def advice_mark(count: int) -> SafeString | str:
    """The plum compass of a row: so much advice is still open."""
    if not count:
        return ""
    words = ngettext("%(count)d piece of advice to read", "%(count)d pieces of advice to read", count) % {
        "count": count
    }
    return format_html(
        '<span class="chip adv" title="{}">{}<span class="vh">{}</span></span>', words, icon("compass"), words
    )


@register.filter
def language_name(code: str) -> str:
    """ "German" for "de", in the reader's language."""
    try:
        return str(gettext(get_language_info(code.lower())["name"]))
    except KeyError:
        return code.upper()
