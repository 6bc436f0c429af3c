"""How things look and read in a page: icons, avatars, times, durations, due chips. Nothing here asks the database.

Registered as a builtin (config/settings.py): no template needs to load it.
"""

from __future__ import annotations

import re
import zlib
from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.template.defaultfilters import linebreaksbr
from django.templatetags.static import static
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
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
    "feed": "Web",
    "mastodon": "Mastodon",
    "bluesky": "Bluesky",
    "reddit": "Reddit",
    "youtube": "YouTube",
}
KINDS = {"feed": gettext_lazy("Feed"), "forum": gettext_lazy("Forum"), "review": gettext_lazy("Reviews")}
QUEUES = {
    "triage": ("inbox", pgettext_lazy("queue", "To triage")),
    "mine": ("user-round-check", pgettext_lazy("queue", "Assigned to me")),
    "waiting": ("hourglass", pgettext_lazy("queue", "Waiting")),
    "snoozed": ("alarm-clock", pgettext_lazy("queue", "Snoozed")),
    "closed": ("check-check", pgettext_lazy("queue", "Closed")),
    "all": ("layers", pgettext_lazy("queue", "All")),
}
ROLES = {
    "administrator": gettext_lazy("Administrator"),
    "manager": gettext_lazy("Manager"),
    "community_manager": gettext_lazy("Community manager"),
    "consultant": gettext_lazy("External consultant"),
}
ADVICE_KINDS = {
    "tone": gettext_lazy("Tone"),
    "facts": gettext_lazy("Facts"),
    "escalate": gettext_lazy("Escalate"),
    "praise": gettext_lazy("Praise"),
}
EVENTS = {
    "found": ("search", gettext_lazy("Found by the topic <b>%(name)s</b>")),
    "taken": ("user-round-check", gettext_lazy("<b>%(person)s</b> took ownership")),
    "assigned": ("user-round-check", gettext_lazy("<b>%(person)s</b> assigned it to <b>%(name)s</b>")),
    "unassigned": ("user-round", gettext_lazy("<b>%(person)s</b> put it back to triage")),
    "labelled": ("tag", gettext_lazy("<b>%(person)s</b> added the label <b>%(name)s</b>")),
    "unlabelled": ("tag", gettext_lazy("<b>%(person)s</b> removed the label <b>%(name)s</b>")),
    "snoozed": ("alarm-clock", gettext_lazy("<b>%(person)s</b> snoozed it until %(until)s")),
    "woke": ("alarm-clock", gettext_lazy("Back from snooze")),
    "closed": ("check-check", gettext_lazy("<b>%(person)s</b> closed it: %(reason)s")),
    "reopened": ("rotate-ccw", gettext_lazy("<b>%(person)s</b> reopened it")),
    "reopened_by_message": ("rotate-ccw", gettext_lazy("Open again: they wrote")),
    "undone": ("undo-2", gettext_lazy("<b>%(person)s</b> undid the last step")),
    "due_moved": ("clock", gettext_lazy("Now due %(until)s, because of the labels")),
    "advice_taken": ("compass", gettext_lazy("<b>%(person)s</b> took up the advice")),
    "advice_declined": ("compass", gettext_lazy("<b>%(person)s</b> did not follow the advice")),
    "withdrawn": ("trash-2", gettext_lazy("Withdrawn by the author: nobody waits any more")),
    "removed_at_source": ("trash-2", gettext_lazy("A message was deleted on the network")),
    "edited_by_author": ("pencil", gettext_lazy("A message was changed on the network")),
}
"""Icon and words by kind of event. `name`, `until`, `reason` come from the event's data, ready to be read."""
HUES = 6
MARKED = re.compile(r"(?P<url>https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]])|(?<![\w/])@[\w.-]*\w(?:@[\w.-]*\w)?")
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


@register.simple_tag
def see_on(network: str) -> str:
    """The words of a link to where something was said."""
    if network in MARKS:
        return gettext("See it on %(network)s") % {"network": network_name(network)}
    return gettext("See it at its source")


@register.filter
def kind_name(kind: str) -> str:
    """The name of a kind of source."""
    return str(KINDS.get(kind) or network_name(kind))


@register.filter
def wears(thread: Any, label: Any) -> bool:
    """Does the thread carry this label? Its `label_list` holds rows or plain mappings."""
    return any((one["pk"] if isinstance(one, dict) else one.pk) == label.pk for one in thread.label_list)


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
def first_name(name: str) -> str:
    return name.split()[0] if name.split() else name


@register.filter
def at_handle(handle: str) -> str:
    """Handles of people with the @ that they are known by; places ("r/trails", addresses) as they are."""
    bare = handle.startswith(("@", "r/", "u/", "http")) or " " in handle or not handle
    return handle if bare else f"@{handle}"


@register.simple_tag
def source_words(words: str) -> str:
    """An English source string kept in the database, in the reader's language."""
    return gettext(words) if words else ""


@register.filter
def is_web(url: str | None) -> bool:
    """May stand in a link: http or https, nothing else that came from outside."""
    return bool(url) and str(url).lower().startswith(("https://", "http://"))


@register.filter
def said(text: str) -> SafeString:
    """Words of a message as paragraphs: everything escaped, web addresses as inert links, @names marked."""
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    return format_html_join("", "<p>{}</p>", ((_marked(paragraph),) for paragraph in paragraphs))


def _marked(text: str) -> SafeString:
    pieces, end = [], 0
    for found in MARKED.finditer(text):
        pieces.append(linebreaksbr(text[end : found.start()]))
        pieces.append(_address(found[0]) if found["url"] else format_html('<span class="at">{}</span>', found[0]))
        end = found.end()
    return format_html_join("", "{}", ((piece,) for piece in [*pieces, linebreaksbr(text[end:])]))


def _address(url: str) -> SafeString:
    return format_html('<a href="{}" target="_blank" rel="noopener noreferrer nofollow ugc">{}</a>', url, url)


@register.filter
def event_icon(event: Any) -> str:
    return EVENTS.get(event.kind, ("info", ""))[0]


@register.simple_tag
def event_words(event: Any) -> SafeString:
    """What happened in one line. `event`: kind, person (or None), data."""
    words = str(EVENTS.get(event.kind, ("", event.kind))[1])
    data = {key: str(event.data.get(key, "")) for key in ("name", "until", "reason")}
    pattern = re.sub(r"%\((\w+)\)s", r"{\1}", words)
    return format_html(pattern, person=event.person.name if event.person else "Ascolto", **data)


# ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@register.simple_tag
def act(url: str, effect: str = "stay") -> SafeString:
    """Attributes of a form that changes a conversation. Without script it posts and the whole page comes back; with it,
    `stay` redraws all but what is being written, `redraw` that too (a reply went out or came back), and `leave` shows
    whatever conversation the answer holds (the next one, after closing)."""
    target = "this" if effect == "stay" else "#conversation"
    swap = "none" if effect == "stay" else "outerHTML"
    regions = "#list:morph,#queues:morph,#live:morph,#toast,#contact:morph"
    if effect == "stay":
        regions += ",#conv-head:morph,#timeline:morph"
    return format_html(
        'method="post" action="{0}" hx-post="{0}" hx-target="{1}" hx-select="#conversation" hx-swap="{2}" '
        'hx-select-oob="{3}" hx-sync="this:drop"{4}',
        url,
        target,
        swap,
        regions,
        mark_safe(' hx-replace-url="true"') if effect == "leave" else "",
    )


@register.simple_tag(takes_context=True)
def act_on(context: template.Context, name: str, effect: str = "stay") -> SafeString:
    """`act` on the open conversation, by the name of the URL."""
    return act(reverse(name, args=[context["brand"].slug, context["queue"], context["thread"].pk]), effect)


@register.simple_tag(takes_context=True)
def act_on_reply(context: template.Context, name: str, reply: Any) -> SafeString:
    place = [context["brand"].slug, context["queue"], context["thread"].pk, reply.pk]
    return act(reverse(name, args=place), "redraw")


@register.simple_tag(takes_context=True)
def act_on_advice(context: template.Context, advice: Any) -> SafeString:
    place = [context["brand"].slug, context["queue"], context["thread"].pk, advice.pk]
    return act(reverse("advice-decide", args=place))


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
def day_time(at: datetime) -> str:
    """ "Mon 9:00" within a week, else "23 Nov, 9:00"."""
    near = abs((timezone.localdate() - timezone.localdate(at)).days) < 7
    return _date(timezone.localtime(at), "D G:i" if near else "j M, G:i")


@register.filter
def seconds_from(at: datetime, now: datetime) -> int:
    """Whole seconds from `now` until `at`, never below 0."""
    return max(0, round((at - now).total_seconds()))


@register.filter
def short_month(at: datetime) -> str:
    """ "Aug 2025"."""
    return _date(timezone.localtime(at), "M Y")


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
    `state`, `end_reason`, and where the view has set them: `target_seconds`, `resumes_at` (the next opening, if we are
    closed now) and `answered_seconds`. time.js keeps the words fresh."""
    if thread.waiting_since is None:
        return _answered_chip(thread)
    if thread.due_at is None:
        waited = duration((now - thread.waiting_since).total_seconds())
        return _chip("", "hourglass", gettext("Waiting for %(time)s") % {"time": waited})
    resumes_at = getattr(thread, "resumes_at", None)
    if resumes_at is not None and now < resumes_at < thread.due_at:
        return _chip("", "moon", gettext("Out of hours, resumes %(time)s") % {"time": day_time(resumes_at)})
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
    seconds: float | None = getattr(thread, "target_seconds", None)
    return seconds or float((thread.due_at - thread.waiting_since).total_seconds())


def _answered_chip(thread: Any) -> SafeString | str:
    seconds = getattr(thread, "answered_seconds", None)
    if seconds is not None:
        return _chip("", "check", gettext("Answered in %(time)s") % {"time": duration(seconds)})
    if thread.state == "closed" and thread.end_reason:
        return _chip("", "check-check", thread.get_end_reason_display())
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


@register.filter
def short_day(at: date) -> str:
    """ "31 Aug 2026" of a plain date, in no zone."""
    written = formats.date_format(at, "j M Y")
    return written.lower() if get_language() in LOWER_CASE_DATES else written


@register.filter
def size(number: float) -> float:
    return abs(number)
