"""Which encoding a document is in, where feedparser's own order (BOM, HTTP, XML declaration, UTF-8) finds none."""

from __future__ import annotations

import codecs
import re
from typing import Final

_DECLARED: Final = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*['\"]([A-Za-z0-9._:-]{1,40})['\"]")
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_HIGH: Final = re.compile(rb"[\x80-\xff]+")
_XML: Final = "application/xml"
_LARGER: Final = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949", "big5": "big5hkscs"}
_WIDE: Final = (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE)


def settled(data: bytes, content_type: str) -> tuple[bytes, str]:
    """`data` and the content type under which feedparser decodes it rightly. Bytes change only where most of them are
    in an encoding and a few are not: those become U+FFFD, so that one cut character does not spoil all others."""
    kind = content_type.partition(";")[0].strip()
    if data.startswith(_WIDE) or b"\x00" in data[:4]:
        return data, kind or _XML
    if data.startswith(codecs.BOM_UTF8) and _decodes(data, "utf-8"):
        return data, f"{_XML}; charset=utf-8"
    claims = _claims(data, content_type)
    for name in (*claims, "utf-8"):
        if _decodes(data, name):
            return data, f"{_XML}; charset={name}"
    for name in (*claims, "utf-8"):
        if (text := _mostly(data, name)) is not None:
            return text.encode(), f"{_XML}; charset=utf-8"
    name = next(name for name in (_detected(data), "windows-1252", "iso-8859-1") if name and _decodes(data, name))
    return data, f"{_XML}; charset={name}"


def _claims(data: bytes, content_type: str) -> list[str]:
    """What HTTP says, then what the document says, each in the larger encoding that is meant by it."""
    charset = _CHARSET.search(content_type)
    declared = _DECLARED.match(data[:1000])
    names = [charset[1].lower() if charset else "", declared[1].decode().lower() if declared else ""]
    return [_LARGER.get(name, name) for name in names if name]


def _mostly(data: bytes, name: str) -> str | None:
    try:
        text = data.decode(name, "replace")
    except (LookupError, ValueError):
        return None
    characters = sum(len(run) // 2 for run in _HIGH.findall(data))
    return text if text.count("\ufffd") * 10 < characters else None


def _detected(data: bytes) -> str:
    """In Western text accents stand alone between plain letters; where most high bytes have neighbours, the document
    is in another script, and only then a detector knows more than we do."""
    runs = _HIGH.findall(data[:200_000])
    if sum(len(run) for run in runs if len(run) > 1) * 2 <= sum(map(len, runs)):
        return ""
    import chardet  # 40 ms to load, seldom needed

    return chardet.detect(data[:200_000])["encoding"] or ""


def _decodes(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except (UnicodeError, LookupError, ValueError):
        return False
    return True
