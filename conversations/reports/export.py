"""The CSV behind a report: a row for each spell of the selection, from which every figure can be computed again."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

from conversations.models import Spell
from conversations.reports.figures import DEFINITIONS, met
from conversations.reports.response_times import CLOCKS, HOURS, Selection, Waited, spells_of

COLUMNS = [
    "spell",
    "thread",
    "brand",
    "source",
    "network",
    "first",
    "started_at_author",
    "started_at_team",
    "ended_at",
    "outcome",
    "reason",
    "answered_by",
    "calendar_seconds",
    "business_seconds",
    "author_calendar_seconds",
    "author_business_seconds",
    "due_at",
    "met",
    "left_out",
]
FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=\W*[=+\-@＝＋－＠])|^(?=[\t\r])")
"""Where a spreadsheet would begin to read a formula: at the start of a cell, or behind what another one takes for a
separator, however much that is no word stands before the sign."""
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def to_csv(selection: Selection) -> str:
    """The whole file, in the order in which the spells began; its columns are in docs/metrics.md."""
    waited = Waited(selection.brand, selection.now)
    spells = (
        spells_of(selection).select_related("source", "thread", "answered_by__reply").order_by("team_started_at", "id")
    )
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for spell in spells.order_by("team_started_at", "id"):
        writer.writerow([safe(cell) for cell in _row(spell, selection, waited)])
    return file.getvalue()


def file_name(selection: Selection) -> str:
    """Names brand, version of the definitions, zone and time of computation."""
    zone = re.sub(r"[^\w+-]+", "-", selection.brand.zone)
    at = selection.now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"ascolto-{selection.brand.slug}-definitions-{DEFINITIONS}-{zone}-{at}.csv"


def safe(cell: str) -> str:
    """The cell with an apostrophe where a spreadsheet would run it; plain numbers stay."""
    return cell if NUMBER.fullmatch(cell) else FORMULA.sub("'", cell)


def _row(spell: Spell, selection: Selection, waited: Waited) -> list[str]:
    answered_at = spell.ended_at if spell.outcome == Spell.Outcome.ANSWERED else None
    kept = met(spell.due_at, answered_at, spell.ended_at, selection.now)
    return [
        str(spell.pk),
        str(spell.thread_id),
        selection.brand.name,
        spell.source.name,
        spell.thread.network,
        _yes_or_no(spell.number == 1),
        _utc(spell.author_started_at),
        _utc(spell.team_started_at),
        _utc(spell.ended_at),
        spell.outcome,
        spell.reason,
        _answered_by(spell),
        *(str(duration(spell, clock, hours, waited)) for clock in CLOCKS for hours in reversed(HOURS)),
        _utc(spell.due_at),
        _yes_or_no(kept),
        spell.left_out,
    ]


def duration(spell: Spell, clock: str, hours: str, waited: Waited) -> float:
    """Seconds of a spell on a clock; of an open one, up to now."""
    if spell.outcome == Spell.Outcome.OPEN:
        return waited.seconds(getattr(spell, f"{clock}_started_at"), hours, spell.calendar_id)
    seconds: float = getattr(spell, f"{clock}_{'business_' if hours == 'business' else ''}seconds")
    return seconds


def _answered_by(spell: Spell) -> str:
    if spell.outcome != Spell.Outcome.ANSWERED:
        return ""
    reply = spell.answered_by.reply if spell.answered_by else None
    return "ascolto" if reply and not reply.elsewhere else "outside"


def _yes_or_no(answer: bool | None) -> str:
    return "" if answer is None else "yes" if answer else "no"


def _utc(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
