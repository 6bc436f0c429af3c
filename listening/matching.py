"""Which topics does a text speak of? Thousands of queries, one walk over the text. Pure.

How a term is read:
- Case, accents and the kind of apostrophe don't count (`listening.text.folded`).
- A word stands alone: letters, digits and underscores beside it make it another word. `dell’azienda` and `e-azienda`
  contain `azienda`; `#Azienda` and `@azienda` do as well.
- A phrase is words in a row with nothing between them but white space, hyphens and apostrophes. It also matches the
  hashtag that people make of it: `passo lento` matches `#PassoLento`.
- `#nivalta` matches that hashtag and no word.
- `@nivalta` matches the handle, alone or with a domain behind it; `@nivalta@social.example` only in full.
- Scripts written without spaces (Han, kana, Thai …), Hangul with its glued particles, and emoji match anywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import ahocorasick_rs
import regex

from listening.connectors.contract import gettext_noop
from listening.text import Folding, folded

LONGEST_TERM: Final = 100
"""Characters."""


@dataclass(frozen=True, slots=True)
class Query:
    """Words, phrases, #hashtags and @handles: at least one of `any_of` (if there are some), every one of `all_of`, none
    of `none_of`. With neither `any_of` nor `all_of` it never matches."""

    id: Hashable
    any_of: Sequence[str] = ()
    all_of: Sequence[str] = ()
    none_of: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A query that a text satisfies, and the terms that let it in, as the query writes them."""

    query_id: Hashable
    words: tuple[str, ...]


class Problem(NamedTuple):
    """Why a query can't be kept: `words` is an English source string with a %(term)s, `str()` fills it in."""

    words: str
    term: str = ""

    def __str__(self) -> str:
        return self.words % {"term": self.term}


# ── reading a text and a term the same way ──────────────────────────────────────────────────────────────────────────

_GAPS: Final = frozenset("'-\u2010\u2011")


class _Spacing(Folding):
    """Folds, and turns what may stand between the words of a phrase into a space."""

    def fold(self, character: str) -> str:
        plainer = super().fold(character)
        return " " if plainer in _GAPS or character.isspace() else plainer


_SPACING: Final = _Spacing()


class _Words(dict[str, str]):
    """Remembers how words are read: folding is what matching costs, and people use the same words."""

    def __missing__(self, word: str) -> str:
        read = " ".join(folded(word, _SPACING).split())
        if len(word) <= 30:
            if len(self) >= 100_000:
                self.clear()
            self[word] = read
        return read


_WORDS: Final = _Words()


def _read(text: str) -> str:
    """Folded, one space in each gap, none at the ends."""
    return " ".join(filter(None, map(_WORDS.__getitem__, text.split())))


def _canonical(term: str) -> str:
    """The term in one spelling, so that equal terms are equal strings. Empty: it can match nothing."""
    read = _read(term).strip('"“”«»„ ')
    if read.startswith("#"):
        read = "#" + read.lstrip("#").replace(" ", "")
    return read if any(_speaks(character) for character in read) else ""


def _speaks(character: str) -> bool:
    """Letters, digits and pictures carry a meaning of their own; punctuation doesn't."""
    return unicodedata.category(character)[0] in "LN" or unicodedata.category(character) == "So"


def _patterns(term: str) -> Iterator[str]:
    """The strings to look for when `term` (canonical) is wanted."""
    yield term
    if " " in term and term[0] not in "#@":
        yield "#" + term.replace(" ", "")


# ── where a word ends ───────────────────────────────────────────────────────────────────────────────────────────────

_WITHOUT_SPACES: Final = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆]"
)


class _Spaced(dict[str, bool]):
    """Is this character part of a word, in a script that puts spaces between words?"""

    def __missing__(self, character: str) -> bool:
        category = unicodedata.category(character)
        word = category[0] in "LM" or category in ("Nd", "Nl") or character == "_"
        self[character] = spaced = word and not _WITHOUT_SPACES.match(character)
        return spaced


_SPACED: Final = _Spaced()
_NOT_BEFORE_A_HASHTAG: Final = "/&#"
"""In a link (`/#part`) or a character reference (`&#39;`) the sign opens no hashtag."""


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Does text[start:end] stand there as a word, hashtag or handle of its own?"""
    if end < len(text) and _SPACED[text[end]] and _SPACED[text[end - 1]]:
        return False
    if not start:
        return True
    first, before = text[start], text[start - 1]
    if first == "#" and before in _NOT_BEFORE_A_HASHTAG:
        return False
    return not (_SPACED[before] and (first in "#@" or _SPACED[first]))


class _Finder:
    """Finds terms (canonical, distinct, not empty) in texts with one automaton."""

    def __init__(self, terms: Sequence[str]) -> None:
        term_of: dict[str, list[int]] = {}
        for index, term in enumerate(terms):
            for pattern in _patterns(term):
                term_of.setdefault(pattern, []).append(index)
        self._terms = list(term_of.values())
        self._automaton = ahocorasick_rs.AhoCorasick(list(term_of), store_patterns=False)

    def hits(self, read: str) -> Iterator[tuple[list[int], int, int]]:
        """(indexes of terms, start, end) of each place in a text that `_read` made; places may overlap."""
        for pattern, start, end in self._automaton.find_matches_as_indexes(read, overlapping=True):
            if _stands_alone(read, start, end):
                yield self._terms[pattern], start, end

    def found(self, read: str) -> set[int]:
        return {term for terms, _, _ in self.hits(read) for term in terms}


# ── queries ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Plan(NamedTuple):
    """A query with its terms as numbers; `words` gives a number back as the query writes it."""

    query_id: Hashable
    any_of: frozenset[int]
    all_of: frozenset[int]
    none_of: frozenset[int]
    words: dict[int, str]

    def admits(self, found: set[int]) -> bool:
        return (
            (not self.any_of or not self.any_of.isdisjoint(found))
            and self.all_of <= found
            and self.none_of.isdisjoint(found)
        )


class Matcher:
    """Built once from many queries (10,000 take a fraction of a second), then asked for each text."""

    def __init__(self, queries: Iterable[Query]) -> None:
        numbers: dict[str, int] = {}
        self._plans = [plan for query in queries if (plan := self._plan(query, numbers))]
        self._finder = _Finder(list(numbers))
        self._woken_by: dict[int, list[int]] = {}
        for index, plan in enumerate(self._plans):
            for term in self._wakers(plan):
                self._woken_by.setdefault(term, []).append(index)

    @staticmethod
    def _plan(query: Query, numbers: dict[str, int]) -> _Plan | None:
        """None: no text can satisfy it."""

        def number(terms: Sequence[str]) -> dict[int, str]:
            spelled = [(_canonical(term), term) for term in terms]
            return {numbers.setdefault(canonical, len(numbers)): term for canonical, term in spelled if canonical}

        if not all(_canonical(term) for term in query.all_of):
            return None
        any_of, all_of, none_of = number(query.any_of), number(query.all_of), number(query.none_of)
        if not any_of and (query.any_of or not all_of):
            return None
        return _Plan(query.id, frozenset(any_of), frozenset(all_of), frozenset(none_of), any_of | all_of)

    @staticmethod
    def _wakers(plan: _Plan) -> Iterable[int]:
        """The terms of which one must be there, so that a query is looked at only when it has a chance."""
        return (max(plan.all_of, key=lambda term: len(plan.words[term])),) if plan.all_of else plan.any_of

    def matches(self, text_fields: Iterable[str]) -> list[Match]:
        """The queries that the fields of one item (title, text, …), taken together, satisfy, in the queries' order.
        A phrase doesn't run from one field into the next."""
        found = self._finder.found(_read(" \0 ".join(text_fields)))
        woken = {plan for term in found for plan in self._woken_by.get(term, ())}
        return [
            Match(plan.query_id, tuple(word for term, word in plan.words.items() if term in found))
            for plan in map(self._plans.__getitem__, sorted(woken))
            if plan.admits(found)
        ]


def spans(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Where `words` (terms, as in `Match.words`) stand in `text`, as (start, end) in characters of `text`: sorted,
    apart from each other; to mark them on a page."""
    terms = list(dict.fromkeys(filter(None, map(_canonical, words))))
    read, origins = _read_with_origins(text)
    merged: list[tuple[int, int]] = []
    for _, first, last in sorted(_Finder(terms).hits(read), key=lambda hit: hit[1:]):
        start, end = origins[first][0], origins[last - 1][1]
        if merged and start < merged[-1][1]:
            start, end = merged[-1][0], max(merged.pop()[1], end)
        merged.append((start, end))
    return merged


def _read_with_origins(text: str) -> tuple[str, list[tuple[int, int]]]:
    """`_read(text)`, and for each of its characters the (start, end) of what it came from in `text`."""
    read: list[str] = []
    origins: list[tuple[int, int]] = []
    for cluster in regex.finditer(r"\X", text):
        for character in folded(cluster.group(), _SPACING):
            if character != " " or (read and read[-1] != " "):
                read.append(character)
                origins.append(cluster.span())
    return "".join(read).rstrip(" "), origins


# ── what can be wrong with a query ──────────────────────────────────────────────────────────────────────────────────


def problems(any_of: Sequence[str], all_of: Sequence[str], none_of: Sequence[str]) -> list[Problem]:
    """What a person must change before this query can be kept; nothing: it is fine."""
    found = [problem for term in (*any_of, *all_of, *none_of) if (problem := _problem(term))]
    if not any_of and not all_of:
        found.append(Problem(gettext_noop("Name at least one word to listen for.")))
    wanted = {_canonical(term) for term in (*any_of, *all_of)} - {""}
    found += [
        Problem(gettext_noop("“%(term)s” is both wanted and excluded: take it out of one of the two lists."), term)
        for term in none_of
        if _canonical(term) in wanted
    ]
    return list(dict.fromkeys(found))


def _problem(term: str) -> Problem | None:
    if not term.strip():
        return Problem(gettext_noop("There is an empty line among the words: fill it in or take it out."))
    if len(term) > LONGEST_TERM:
        words = gettext_noop("“%(term)s…” is too long: a word or phrase has at most 100 characters.")
        return Problem(words, term[:20])
    if not _canonical(term):
        return Problem(gettext_noop("“%(term)s” has no letter, digit or emoji: write a word."), term)
    if term.strip()[0] in "#＃" and not regex.fullmatch(r"[#＃][\p{L}\p{M}\p{N}_·]+", term.strip()):
        return Problem(gettext_noop("“%(term)s”: a hashtag is one word without spaces or signs."), term)
    return None
