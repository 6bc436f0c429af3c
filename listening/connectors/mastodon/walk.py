"""Walking a list that grows at one end, on servers that page in different ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from ..contract import Json
from .server import Params, link
from .statuses import UnreadableError, id_of

FIRST_PAGES = 3
"""How far back the first poll of a source looks."""
FULL = 20
"""A page this long may have been cut by the server (20 is the smallest usual maximum)."""
REREAD_PAGES = 2


@dataclass(frozen=True)
class Page:
    """One page of a list: raw entries by their id in the list, and where the neighbours are."""

    entries: list[tuple[str, Any]]
    nameless: list[Any]
    """Entries whose id can't be read."""
    older: Params | None
    newer: Params | None

    @property
    def ids(self) -> list[str]:
        return [each for each, _ in self.entries]


def page_of(entries: list[Any], headers: httpx.Headers) -> Page:
    named: list[tuple[str, Any]] = []
    nameless: list[Any] = []
    for entry in entries:
        try:
            named.append((id_of(entry), entry))
        except (UnreadableError, AttributeError):
            nameless.append(entry)
    return Page(named, nameless, link(headers, "next"), link(headers, "prev"))


def order_of(entry_id: str) -> tuple[int, str]:
    """Numbers by length then text (they outgrow a digit), anything else by text (ULID, UUIDv7, times)."""
    return (len(entry_id) if entry_id.isdecimal() else 0, entry_id)


def in_order(ids: Sequence[str]) -> bool:
    """Do these ids tell their order? Not if the page is shuffled, or they are random UUIDs."""
    keys = [order_of(each) for each in ids]
    random = any(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[^7][0-9a-f-]{17}.*", each) for each in ids)
    return not random and keys in (sorted(keys), sorted(keys, reverse=True))


class Walk:
    """Reads what is new in a list, page by page.

    Cursor: `mark`, the newest id that was read with everything below it; and while a way down is cut short by the
    budget, `walk`: {`top`: what becomes the mark when it is done, `older`: where to go on}.
    """

    def __init__(
        self,
        fetch: Callable[[Params], Page],
        take: Callable[[list[Any]], None],
        stored: Callable[[list[Any]], list[bool]],
        spent: Callable[[], bool],
    ) -> None:
        self.fetch, self.take, self.stored, self.spent = fetch, take, stored, spent
        self.seen: set[str] = set()
        self.pages = 0

    def read(self, cursor: Json) -> bool:
        """Moves the cursor (in place) over all that was read. False: there is more than one poll may read."""
        if "mark" not in cursor:
            return self._begin(cursor)
        if (walk := cursor.get("walk")) and not self._down(self._next(walk["older"]), cursor, walk["top"]):
            return False
        mark = cursor["mark"]
        page = self._next([("min_id", mark)] if mark else [])
        after_mark = bool(mark) and not self._reaches(page, mark)
        if after_mark and len(page.ids) < FULL:
            self._accept(page, mark)
            cursor["mark"] = self._top(page, mark)
        elif not self._down(page, cursor, self._top(page, mark)):
            return False
        return not after_mark or self._up(page, cursor)

    def again(self) -> None:
        """Takes the newest pages whole, also what lies behind the mark."""
        page = self._next([])
        self._accept(page, "")
        self._some_older(page, REREAD_PAGES - 1)

    def _begin(self, cursor: Json) -> bool:
        page = self._next([])
        self._accept(page, "")
        cursor["mark"] = self._top(page, "")
        self._some_older(page, FIRST_PAGES - 1)
        return True

    def _some_older(self, page: Page, pages: int) -> None:
        while pages and page.ids and page.older is not None and not self.spent():
            page, pages = self._next(page.older), pages - 1
            self._accept(page, "")

    def _down(self, page: Page, cursor: Json, top: str) -> bool:
        """From `page` towards older ones until the mark. The mark moves only at the end."""
        mark = cursor["mark"]
        while True:
            fresh = any(each not in self.seen for each in page.ids)
            end = not fresh or page.older is None or (bool(mark) and self._reaches(page, mark))
            self._accept(page, mark)
            if end:
                cursor["mark"] = top
                cursor.pop("walk", None)
                return True
            cursor["walk"] = {"top": top, "older": page.older}
            if self.spent():
                return False
            page = self._next(page.older or [])

    def _up(self, page: Page, cursor: Json) -> bool:
        """From a page right after the mark towards newer ones, until an empty one; the mark moves with each."""
        while page.ids:
            if self.spent():
                return False
            page = self._next(page.newer or [("min_id", cursor["mark"])])
            if not any(each not in self.seen for each in page.ids):
                return True
            mark = cursor["mark"]
            self._accept(page, mark)
            cursor["mark"] = self._top(page, mark)
        return True

    def _next(self, params: Iterable[Sequence[str]]) -> Page:
        page = self.fetch([(name, value) for name, value in params])
        self.pages += 1
        return page

    def _accept(self, page: Page, mark: str) -> None:
        """Takes what this poll has not seen yet and no earlier one has read (a mark of "" knows of no earlier one)."""
        old = set(self.seen)
        if mark and in_order(page.ids) and in_order([mark]):
            old |= {each for each in page.ids if order_of(each) <= order_of(mark)}
        elif mark:
            stored = self.stored([raw for _, raw in page.entries])
            old |= {each for each, held in zip(page.ids, stored, strict=True) if held}
        self.take([raw for each, raw in page.entries if each not in old] + page.nameless)
        self.seen.update(page.ids)

    def _reaches(self, page: Page, mark: str) -> bool:
        """Does this page hold the mark, or something older than it?"""
        if not page.ids or mark in page.ids:
            return bool(page.ids)
        if in_order(page.ids) and in_order([mark]):
            return min(map(order_of, page.ids)) <= order_of(mark)
        return all(self.stored([raw for _, raw in page.entries]))

    def _top(self, page: Page, mark: str) -> str:
        if not page.ids:
            return mark
        return max([*page.ids, mark], key=order_of) if in_order(page.ids) else page.ids[0]
