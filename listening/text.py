"""Text as people write it: made fit to store, folded to be compared, cleaned to be shown. Pure functions."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import islice
from typing import Final, Literal

import nh3

# ── storing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with NUL and lone surrogates, which PostgreSQL and UTF-8 refuse, replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_id(identity: str, limit: int = 2000) -> str:
    """`identity`, storable and at most `limit` bytes long in UTF-8, as an index takes it. The end of a longer one
    becomes its hash, so that two that begin alike stay two."""
    data = storable(identity).encode()
    if len(data) <= limit:
        return data.decode()
    mark = "…" + hashlib.blake2b(data, digest_size=16).hexdigest()
    return data[: limit - len(mark.encode())].decode(errors="ignore") + mark


def plain(text: str) -> str:
    """`text` storable and tidy: line ends are \\n, lines have no blanks at their end, at most one empty line in a row,
    nothing empty at either end. Words, spaces inside a line and emoji stay as they were written."""
    lines = [line.rstrip() for line in re.split("\r\n|[\n\r\u2028\u2029]", storable(text))]
    kept = [line for i, line in enumerate(lines) if line or (i and lines[i - 1])]
    return "\n".join(kept).strip("\n")


# ── comparing ───────────────────────────────────────────────────────────────────────────────────────────────────────

APOSTROPHES: Final = frozenset("'’‘ʼʹ′`´＇")

# Letters with a stroke, and ligatures, are letters of their own to Unicode; people type them without.
_PLAINER: Final = {"æ": "ae", "œ": "oe"} | dict(zip("øłđħı", "oldhi", strict=True)) | dict.fromkeys(APOSTROPHES, "'")

# Combining classes that make another letter, not an accent: nukta (7), kana voicing (8), virama (9).
_MAKES_A_LETTER: Final = frozenset({0, 7, 8, 9})


class Folding(dict[int, str]):
    """A table for `str.translate` that works out each character once and remembers it."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = self.fold(chr(code))
        return folded

    def fold(self, character: str) -> str:
        """One character without case and accents. Only letters and digits are taken apart by compatibility: ™ and ²
        stay signs, so that "Nivalta™" still ends with a letter of the name."""
        category = unicodedata.category(character)
        if category == "Cs":
            return "\ufffd"
        if category == "Cf" or "\ufe00" <= character <= "\ufe0f":  # soft hyphens, joiners, bidi marks, variants
            return " " if character == "\u200b" else ""
        wide = unicodedata.decomposition(character).startswith(("<wide>", "<narrow>"))
        form: Literal["NFKD", "NFD"] = "NFKD" if wide or category[0] == "L" or category in ("Nd", "Nl") else "NFD"
        apart = unicodedata.normalize(form, unicodedata.normalize(form, character).casefold())
        letters = (_PLAINER.get(c, c) for c in apart if unicodedata.combining(c) in _MAKES_A_LETTER)
        return unicodedata.normalize("NFC", "".join(letters))


_FOLDING: Final = Folding()


def folded(text: str, table: Folding = _FOLDING) -> str:
    """`text` without case, accents and invisible characters, every apostrophe straight: equal for what people take to
    be equal. Hangul, kana voicing and Indic signs stay whole. The length may differ from that of `text`."""
    return unicodedata.normalize("NFC", text.translate(table))


# ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_SHOWN_TAGS: Final = """
    a abbr b blockquote br cite code dd del div dl dt em hr i ins kbd li mark ol p pre q s small span strong sub sup
    u ul
"""
_TAGS_DROPPED_WITH_THEIR_TEXT: Final = """
    iframe math noembed noframes noscript object option script select style svg template textarea title xmp
"""
_ABSOLUTE: Final = re.compile(r"(?:https?://[^\s/?#\\@]|mailto:[^\s?]+@)", re.IGNORECASE)
_CONTROL: Final = re.compile("[\x00-\x20\x7f]")


def _absolute_only(tag: str, attribute: str, value: str) -> str | None:
    """Asked also for the `rel` and `target` that are set below."""
    return value if attribute != "href" or (_ABSOLUTE.match(value) and not _CONTROL.search(value)) else None


_CLEANER: Final = nh3.Cleaner(
    tags=set(_SHOWN_TAGS.split()),
    clean_content_tags=set(_TAGS_DROPPED_WITH_THEIR_TEXT.split()),
    attributes={"a": {"href"}, "*": set()},
    attribute_filter=_absolute_only,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="nofollow noopener noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    generic_attribute_prefixes=set(),
    strip_comments=True,
)


_MOST_CHARACTERS: Final = 200_000
_MOST_TAGS: Final = 6_000
_TAG: Final = re.compile("</?[a-zA-Z]")


def _bounded(html: str) -> str:
    """The beginning of `html`: the parser's time grows with the square of the depth and of the attributes, and half a
    megabyte of open tags would cost a minute [measured]. No article is as long as that."""
    html = html[:_MOST_CHARACTERS]
    last = next(islice(_TAG.finditer(html), _MOST_TAGS, None), None)
    return html[: last.start()] if last else html


def show_html(html: str) -> str:
    """Outside HTML as HTML that is safe inside our page. Only text tags stay, and of attributes only links to absolute
    http, https and mailto addresses, opened apart and without referrer. Pictures, forms, scripts, styles, classes, ids,
    names, `data-*` and `hx-*` go; media are shown apart. Never raises."""
    return _CLEANER.clean(_bounded(storable(html))).replace("\r", "\n")
