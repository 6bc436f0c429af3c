"""The bank of words (content.json), and how a text of it becomes what somebody says: slots filled, names as the network
writes them."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Entry = dict[str, Any]
ROME = ZoneInfo("Europe/Rome")
SLOT = re.compile(r"\{(\w+)\}")
MONTHS = ("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
          "novembre", "dicembre")  # fmt: skip
HANDLES = {
    ("nivalta", "mastodon"): "@nivalta@piazzetta.example",
    ("nivalta", "bluesky"): "@nivalta.example",
    ("brontola", "mastodon"): "@brontola@piazzetta.example",
    ("brontola", "bluesky"): "@brontola.example",
}
"""How a brand is addressed; elsewhere by its plain name. On Mastodon its home is the sandbox network."""
NAMED_BY = {"at": "nivalta", "atb": "brontola"}


@cache
def bank() -> dict[str, Any]:
    """The whole content, as it stands in the file."""
    content: dict[str, Any] = json.loads((Path(__file__).parent / "content.json").read_text("utf-8"))
    return content


@cache
def by_id(*keys: str) -> dict[str, Entry]:
    return {entry["id"]: entry for key in keys for entry in bank()[key]}


@cache
def known_words() -> dict[str, list[str]]:
    """The values of each slot that has a list."""
    return {name: slot["values"] for name, slot in bank()["slots"].items()}


class Wording:
    """The slots of one thread: each is drawn once and kept for all that is said in it."""

    def __init__(self, network: str, at: datetime, dice: random.Random) -> None:
        self.network, self.at, self.dice = network, at, dice
        self.values: dict[str, str] = {}

    def fill(self, text: str, **given: str) -> str:
        """The text with its slots filled and a capital at its head. `given`: what differs by message (firma, staff)."""
        named: set[str] = set()

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name in NAMED_BY:
                brand = NAMED_BY[name]
                plain = brand.capitalize()
                shown = plain if brand in named else HANDLES.get((brand, self.network), plain)
                named.add(brand)
                return shown
            return given.get(name) or self.value(name)

        filled = SLOT.sub(value, text)
        return filled[:1].upper() + filled[1:]

    def value(self, name: str) -> str:
        if name not in self.values:
            self.values[name] = self._draw(name)
        return self.values[name]

    def _draw(self, name: str) -> str:
        local = self.at.astimezone(ROME)
        if name == "mese":
            return MONTHS[(local + timedelta(days=25)).month - 1]
        if name == "giorno_mese":
            day = local + timedelta(days=self.dice.randint(5, 18))
            return f"{day.day} {MONTHS[day.month - 1]}"
        return self.dice.choice(known_words()[name])


def signed(text: str) -> str:
    return text if "{firma}" in text else f"{text} — {{firma}}"


def fitting(key: str, **wanted: str) -> list[Entry]:
    """Entries of the bank whose fields agree: a list must contain the value; `*` and `any` fit all."""
    return _fitting(key, tuple(wanted.items()))


@cache
def _fitting(key: str, wanted: tuple[tuple[str, str], ...]) -> list[Entry]:
    return [entry for entry in bank()[key] if all(_fits(entry.get(name), value) for name, value in wanted)]


def _fits(held: object, value: str) -> bool:
    if isinstance(held, list):
        return value in held or "*" in held or "any" in held
    return held in (value, "*", "any")
