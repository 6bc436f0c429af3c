from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that does not exist yet, below one that every account can pass through."""
    parent = Path(tempfile.mkdtemp(prefix="ascolto-services-"))
    parent.chmod(0o711)
    yield parent / "data"
    shutil.rmtree((parent / "data/servers").resolve(), ignore_errors=True)
    shutil.rmtree(parent)
