"""HTML of a feed as the plain words a person reads. Every step is linear in the length of its input."""

from __future__ import annotations

import html
import re
from typing import Final

from lxml import etree

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
# fmt: off
_SILENT: Final = frozenset((
    "script", "style", "template", "noscript", "iframe", "object", "head", "title", "svg", "math",
))
_LINE: Final = frozenset((
    "address", "article", "aside", "caption", "dd", "div", "dt", "fieldset", "figcaption", "figure", "footer", "form",
    "header", "hr", "legend", "li", "main", "nav", "option", "section", "summary", "tr",
))
_PARAGRAPH: Final = frozenset(("blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"))
# fmt: on
_BLANKS: Final = re.compile("[ \t\r\f\v\xa0\u200b]+")
_WHITE: Final = re.compile(r"[\s\xa0\u200b]+")
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")


def storable(text: str) -> str:
    """NUL and lone surrogates become U+FFFD: no database takes them."""
    return _UNSTORABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    return _WHITE.sub(" ", text).strip()


def plain(markup: str) -> str:
    """The words of `markup`: blocks on lines of their own, paragraphs apart by an empty line, entities resolved, no
    script, style or comment. Text without any tag keeps its own line ends. Never raises."""
    if "<" not in markup:
        return _tidy(html.unescape(markup))
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = etree.fromstring(storable(markup).encode(), parser)
    except etree.XMLSyntaxError:  # only a comment, or nothing
        root = None
    words = _tidy("".join(_pieces(root))) if root is not None else ""
    # libxml2 gives up on thousands of nested tags; what hides in them is still found, without its lines.
    return words or (_tidy(html.unescape(_TAG.sub(" ", markup))) if markup.count("<") > 1000 else "")


def _pieces(root: etree._Element) -> list[str]:
    pieces: list[str] = []
    silent = kept = gap = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag, starts = element.tag, event == "start"
        silent += (tag in _SILENT) * (1 if starts else -1)
        kept += (tag == "pre") * (1 if starts else -1)
        if tag == "br":
            gap = min(gap + starts, 2)
        elif tag in _LINE or tag in _PARAGRAPH:
            gap = max(gap, 2 if tag in _PARAGRAPH else 1)
        words = element.text if starts else element.tail
        if starts and tag == "img":
            words = _emoji(element.get("alt") or "")
        if not words or silent:
            continue
        words = words if kept else _WHITE.sub(" ", words)
        if gap:
            words = words if kept else words.lstrip()
            if not words:
                continue
            pieces.append("\n" * gap if pieces else "")
            gap = 0
        pieces.append(words)
    return pieces


def _emoji(alternative: str) -> str:
    """WordPress turns emoji into pictures; only those come back as text."""
    return alternative if len(alternative) <= 8 and alternative and min(alternative) > "\xff" else ""


def _tidy(text: str) -> str:
    lines = (_BLANKS.sub(" ", line).strip() for line in storable(text).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
