"""The hostile inputs of the shared folder, read where they are and never copied."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(os.environ.get("ASCOLTO_SHARED") or Path(__file__).resolve().parents[3] / "shared")


def corpus(path: str) -> Any:
    """The JSON of a corpus, as "folder/file.json". Without the shared folder the test is left out, but not in CI."""
    file = SHARED / "corpora" / path
    if not file.exists():
        message = f"{file} is missing: set ASCOLTO_SHARED to the folder that holds corpora/"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return json.loads(file.read_text(encoding="utf-8"))


def grown(recipe: dict[str, Any]) -> str:
    """The text that a recipe of redos-strings stands for."""
    return str(recipe["repeat"] * recipe["times"] + recipe["tail"])
