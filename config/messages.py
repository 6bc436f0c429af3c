"""Compiles the translations, `locale/*/LC_MESSAGES/*.po`, where they are newer than what was compiled from them."""

from __future__ import annotations

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).resolve().parent.parent / "locale"


def compile_messages(folder: Path = LOCALE) -> None:
    for catalogue in folder.glob("*/LC_MESSAGES/*.po"):
        compiled = catalogue.with_suffix(".mo")
        if compiled.exists() and compiled.stat().st_mtime >= catalogue.stat().st_mtime:
            continue
        with catalogue.open("rb") as source:
            messages = read_po(source, locale=catalogue.parts[-3])
        draft = compiled.with_suffix(".new")
        with draft.open("wb") as target:
            write_mo(target, messages)
        draft.replace(compiled)


if __name__ == "__main__":
    compile_messages()
