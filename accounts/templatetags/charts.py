"""Charts as SVG, drawn by the server: they print, follow the theme by class, need no script ({% load charts %})."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from django import template
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext

from accounts.templatetags.ascolto import LOWER_CASE_DATES, duration

register = template.Library()

STEPS = [900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 604_800]
"""Seconds between two lines of the grid."""
LABEL = 29
"""Height of a value in words: its name and the figure."""


class Week(Protocol):
    start: date
    n: int
    median: float | None
    """Seconds; None with fewer than five values."""
    p90: float | None
    deaf: bool
    """There were hours in which we could not listen."""


@dataclass(frozen=True)
class Frame:
    """The drawing area: size, margins, and how often a week is named."""

    width: int
    height: int
    left: int
    right: int
    every: int
    top: int = 14
    bottom: int = 30

    def x(self, index: int, of: int) -> float:
        return self.left + index * (self.width - self.left - self.right) / max(1, of - 1)

    def y(self, value: float, highest: float) -> float:
        return self.top + (1 - value / highest) * (self.height - self.top - self.bottom)


@register.simple_tag
def line_chart(weeks: Sequence[Week], target: float | None = None) -> SafeString:
    """Median and p90 per week, wide and narrow: the page shows the one that fits (container query)."""
    if not any(week.median is not None for week in weeks):
        return format_html('<p class="hint">{}</p>', gettext("Fewer than five answers a week: nothing to draw yet."))
    many = max(1, len(weeks) // 8)
    wide = _lines(weeks, target, Frame(1080, 280, 52, 84, many))
    narrow = _lines(weeks, target, Frame(350, 230, 44, 62, max(1, len(weeks) // 3), bottom=28))
    return format_html('<div class="resp"><div class="w">{}</div><div class="n">{}</div></div>', wide, narrow)


def _lines(weeks: Sequence[Week], target: float | None, frame: Frame) -> SafeString:
    values = [value for week in weeks for value in (week.median, week.p90) if value is not None]
    step, highest = _scale(max([*values, target or 0]))
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}{}{}{}</svg>',
        frame.width,
        frame.height,
        _summary(weeks),
        _deaf(weeks, frame),
        _grid(step, highest, frame),
        _names(weeks, frame),
        _target(target, highest, frame),
        _series(weeks, "p90", highest, frame),
        _series(weeks, "median", highest, frame),
        _last(weeks, highest, frame),
    )


def _scale(highest: float) -> tuple[float, float]:
    """A step that gives at most seven lines, and the top of the scale."""
    step: float = next((step for step in STEPS if highest / step <= 6), STEPS[-1])
    while highest / step > 6:
        step *= 2
    return step, step * max(1, -(-highest // step))


def _summary(weeks: Sequence[Week]) -> str:
    known = [week for week in weeks if week.median is not None]
    return gettext(
        "Response time per week: median from %(first)s to %(last)s, 90th percentile from %(first90)s to %(last90)s."
    ) % {
        "first": duration(known[0].median),
        "last": duration(known[-1].median),
        "first90": duration(known[0].p90),
        "last90": duration(known[-1].p90),
    }


def _deaf(weeks: Sequence[Week], frame: Frame) -> SafeString:
    half = (frame.x(1, len(weeks)) - frame.x(0, len(weeks))) / 2 if len(weeks) > 1 else 8
    spans = [
        (
            frame.x(index, len(weeks)) - half,
            frame.top,
            2 * half,
            frame.height - frame.top - frame.bottom,
            _day(week.start),
        )
        for index, week in enumerate(weeks)
        if week.deaf
    ]
    if not spans:
        return mark_safe("")
    words, hatch = gettext("we could not always listen"), f"hatch{frame.width}"
    boxes = format_html_join(
        "",
        '<rect fill="url(#{})" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        ((hatch, round(x, 1), y, round(w, 1), h, name, words) for x, y, w, h, name in spans),
    )
    return format_html(
        '<defs><pattern id="{}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="deaf" x1="0" x2="0" y1="0" y2="7"/></pattern></defs>{}',
        hatch,
        boxes,
    )


def _grid(step: float, highest: float, frame: Frame) -> SafeString:
    marks = [index * step for index in range(int(highest // step) + 1)]
    return format_html_join(
        "",
        '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (
                "grid" if mark else "axis",
                frame.left,
                frame.width - frame.right,
                f"{frame.y(mark, highest):.1f}",
                f"{frame.y(mark, highest):.1f}",
                frame.left - 8,
                f"{frame.y(mark, highest) + 4:.1f}",
                duration(mark) if mark else "0",
            )
            for mark in marks
        ),
    )


def _names(weeks: Sequence[Week], frame: Frame) -> SafeString:
    return format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (f"{frame.x(index, len(weeks)):.1f}", frame.height - 8, _day(week.start))
            for index, week in enumerate(weeks)
            if index % frame.every == 0
        ),
    )


def _target(target: float | None, highest: float, frame: Frame) -> SafeString:
    if not target:
        return mark_safe("")
    y = frame.y(target, highest)
    return format_html(
        '<line class="target" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text class="in named" x="{3}" y="{4}">{5}</text>',
        frame.left,
        frame.width - frame.right,
        f"{y:.1f}",
        frame.left + 4,
        f"{y + 14:.1f}",
        gettext("target %(time)s") % {"time": duration(target)},
    )


def _series(weeks: Sequence[Week], figure: str, highest: float, frame: Frame) -> SafeString:
    """A line that breaks where a week has no figure, and its dots."""
    style, dot, name = ("p50", "dot", gettext("median")) if figure == "median" else ("p90", "dot90", "p90")
    values: list[float | None] = [getattr(week, figure) for week in weeks]
    dots = format_html_join(
        "",
        '<circle class="{}" cx="{}" cy="{}" r="3"><title>{} · {} {} · n {}</title></circle>',
        (
            (
                dot,
                f"{frame.x(index, len(weeks)):.1f}",
                f"{frame.y(value, highest):.1f}",
                _day(week.start),
                name,
                duration(value),
                week.n,
            )
            for index, (week, value) in enumerate(zip(weeks, values, strict=True))
            if value is not None
        ),
    )
    path = _path(values, lambda index, value: (frame.x(index, len(weeks)), frame.y(value, highest)))
    return format_html('<path class="{}" d="{}"/>{}', style, path, dots)


def _last(weeks: Sequence[Week], highest: float, frame: Frame) -> SafeString:
    """The last values in words beside their dots, one above the other where the dots are too close."""
    index, week = [(index, week) for index, week in enumerate(weeks) if week.median is not None][-1]
    assert week.median is not None
    assert week.p90 is not None
    x, y = frame.x(index, len(weeks)) + 10, frame.y(week.median, highest)
    above = max(frame.top, min(frame.y(week.p90, highest), y - LABEL))
    return format_html_join(
        "",
        '<text class="in" x="{0}" y="{1}">{2}</text><text class="strong" x="{0}" y="{3}">{4}</text>',
        (
            (f"{x:.1f}", f"{at - 2:.1f}", name, f"{at + 12:.1f}", duration(value))
            for at, name, value in (
                (above, "p90", week.p90),
                (max(y, above + LABEL), gettext("median"), week.median),
            )
        ),
    )


def _path(values: Sequence[float | None], place: Callable[[int, float], tuple[float, float]]) -> str:
    commands, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x, y = place(index, value)
        commands.append(f"{pen}{x:.1f},{y:.1f}")
        pen = "L"
    return " ".join(commands)


def _day(start: date) -> str:
    name = formats.date_format(start, "j M")
    return name.lower() if get_language() in LOWER_CASE_DATES else name


@register.simple_tag
def hbar(value: float | None, highest: float = 100, style: str = "bar") -> SafeString:
    """A bar beside a figure; decoration, the figure stands beside it."""
    share = 100 * (value or 0) / highest if highest else 0
    return format_html(
        '<svg class="hb" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar track" width="100" height="8" rx="1"/><rect class="{}" width="{}" height="8" rx="1"/></svg>',
        style,
        f"{min(100.0, share):.1f}",
    )


@register.simple_tag
def spark(values: Sequence[float | None]) -> SafeString:
    """A small line without scale; decoration."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return mark_safe("")
    low, span = min(known), (max(known) - min(known)) or 1
    path = _path(values, lambda index, value: (2 + index * 96 / (len(values) - 1), 24 - (value - low) / span * 20))
    return format_html(
        '<svg class="chart mini" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="p50" d="{}" vector-effect="non-scaling-stroke"/></svg>',
        path,
    )


COVERAGE = {"checked": "o", "partial": "p", "throttled": "p", "failed": "f", "paused": "z"}


@register.simple_tag
def coverage_strip(days: Sequence[Any]) -> SafeString:
    """Did we listen? One box per day, oldest first: its worst status ("" = nothing was due)."""
    words = {
        "o": gettext("listened"),
        "p": gettext("in part"),
        "f": gettext("not listened"),
        "z": gettext("paused"),
        "n": gettext("nothing due"),
    }
    codes = [COVERAGE.get(day, "n") for day in days]
    told = ", ".join(f"{words[code]} {codes.count(code)}" for code in words if code in codes)
    label = gettext("Coverage, last %(n)d days: %(told)s") % {"n": len(codes), "told": told}
    boxes = format_html_join(
        "",
        '<rect class="cov-{}" x="{}" width="8.4" height="6"/>',
        ((code, f"{index * 10 + 0.8:.1f}") for index, code in enumerate(codes)),
    )
    return format_html(
        '<svg class="cov" viewBox="0 0 {} 6" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        len(codes) * 10,
        label,
        boxes,
    )
