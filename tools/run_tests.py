"""Runs the tests in two halves at the same time, each with servers of its own: `python tools/run_tests.py`.

Two processes and not pytest-xdist: its workers would share one Redis, and some tests flush it. The last line sums up,
"tests: N passed, N failed, N skipped"; the exit code is 0 only if something ran and nothing failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = ("tests/conversations", "tests/pages")
"""The rest is the other half. Moved by hand when one half lags behind the other."""


def halves() -> list[list[str]]:
    others = sorted(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").iterdir()
        if (path.is_dir() and any(path.rglob("test_*.py"))) or path.name.startswith("test_")
    )
    return [list(FIRST), [path for path in others if path not in FIRST]]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ascolto-tests-") as folder:
        logs = [Path(folder, f"{number}.log") for number in range(2)]
        runs = [start(paths, log) for paths, log in zip(halves(), logs, strict=True)]
        codes = [run.wait() for run in runs]
        said = [log.read_text(errors="replace") for log in logs]
    print("\n".join(said), flush=True)
    passed, failed, skipped = (sum(values) for values in zip(*map(counted, said), strict=True))
    print(f"tests: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 0 if passed and not failed and not any(codes) else 1


def start(paths: list[str], log: Path) -> subprocess.Popen[bytes]:
    """One half, quiet: what it says stands in a file until it ends."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-rs", "--durations=8", *paths],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def counted(said: str) -> tuple[int, int, int]:
    """Passed, failed (errors included), skipped, out of pytest's last line."""
    last = said.strip().rpartition("\n")[2]
    found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last)}
    return (
        found.get("passed", 0),
        found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0),
        found.get("skipped", 0),
    )


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"({time.monotonic() - began:.0f} s)", file=sys.stderr)
    sys.exit(code)
