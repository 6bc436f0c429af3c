"""Fails when a string of the code or the templates has no translation, or when the catalogue is behind them.

Collects the strings anew in a copy of the sources (Django's makemessages, which needs gettext) and looks at the
result. A translation that equals its English string must stand in locale/same_in_<language>.txt, a list of words
that a person found to be the same in both (one per line). With `--write` the catalogues take up the strings instead.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
TRANSLATED = ("accounts", "config", "conversations", "demo", "listening", "locale", "templates")
LANGUAGES = {"it": "italian"}


def main() -> None:
    if sys.argv[1:] == ["--write"]:
        for language in LANGUAGES:
            catalogue_of(language).parent.mkdir(parents=True, exist_ok=True)
            catalogue_of(language).write_bytes(collect(language))
        return
    problems = [problem for language in LANGUAGES for problem in problems_of(language)]
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"{len(problems)} problems in the translations. `make messages` brings the catalogue up to date.")
    print("Translations: complete.")


def problems_of(language: str) -> Iterator[str]:
    if not catalogue_of(language).exists():
        yield f"{catalogue_of(language).relative_to(ROOT)} is missing: `make messages` makes it."
        return
    known, fresh = read(catalogue_of(language).read_bytes()), read(collect(language))
    same = same_words(language)
    for message in fresh:
        if message.id:
            yield from (f"{language}: {problem}" for problem in problems_with(message, known, fresh, same))
    for message in fresh.obsolete.values():
        yield f"{language}: no longer used: {message.id!r}"


def problems_with(message: Message, known: Catalog, fresh: Catalog, same: set[str]) -> Iterator[str]:
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    if known.get(message.id, message.context) is None:
        yield f"not in the catalogue: {message.id!r}"
    elif message.fuzzy:
        yield f"fuzzy: {message.id!r}"
    elif not all(texts):
        yield f"not translated: {message.id!r}"
    elif texts[0] == message.id and message.id not in same:
        yield f"the same as the English (if rightly so, list it): {message.id!r}"
    for error in message.check(fresh):
        yield f"{error}: {message.id!r}"


def catalogue_of(language: str, root: Path = ROOT) -> Path:
    return root / f"locale/{language}/LC_MESSAGES/django.po"


def collect(language: str) -> bytes:
    """The catalogue as makemessages writes it from the sources of now."""
    with tempfile.TemporaryDirectory() as folder:
        for name in TRANSLATED:
            if (ROOT / name).exists():
                shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
        (Path(folder) / "locale").mkdir(exist_ok=True)
        make_messages(Path(folder), language)
        return catalogue_of(language, Path(folder)).read_bytes()


def make_messages(folder: Path, language: str) -> None:
    command = [sys.executable, "-m", "django", "makemessages", "-l", language, "--add-location=file"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if made.returncode:
        sys.exit(made.stderr)


def read(content: bytes) -> Catalog:
    return read_po(io.BytesIO(content))


def same_words(language: str) -> set[str]:
    path = ROOT / f"locale/same_in_{LANGUAGES[language]}.txt"
    return set(path.read_text().splitlines()) if path.exists() else set()


if __name__ == "__main__":
    main()
