"""docs/metrics.md keeps its word: the program printed there recomputes from a CSV what our statistics say."""

from __future__ import annotations

import csv
import random
import re
import subprocess
import sys
from pathlib import Path

from conversations.reports.figures import DEFINITIONS, Summary, kaplan_meier, summary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
OUTCOMES = ["answered", "answered", "answered", "open", "no_reply", "withdrawn", "spam"]


def spells() -> list[dict[str, str]]:
    chance = random.Random(11)
    rows = []
    for number in range(200):
        outcome = chance.choice(OUTCOMES)
        met = chance.choice(["yes", "no"]) if outcome == "answered" else chance.choice(["no", ""])
        rows.append(
            {
                "spell": str(number),
                "first": chance.choice(["yes", "no"]),
                "outcome": outcome,
                "business_seconds": str(chance.choice([chance.randint(0, 500), chance.randint(0, 90_000)])),
                "met": met if outcome in ("answered", "open") else "",
                "left_out": chance.choice(["", "", "", "late_find", "private"]),
            }
        )
    return rows


def line(name: str, found: Summary) -> str:
    return f"{name} n {found.n} median {found.median} p90 {found.p90} mean {found.mean}"


def test_the_program_on_the_page_agrees(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with (tmp_path / "spells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(spells()[0]))
        writer.writeheader()
        writer.writerows(spells())
    (tmp_path / "recompute.py").write_text(program)
    command = [sys.executable, str(tmp_path / "recompute.py"), str(tmp_path / "spells.csv")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    rows = [row for row in spells() if not row["left_out"]]
    answered = [float(row["business_seconds"]) for row in rows if row["outcome"] == "answered"]
    first = [float(r["business_seconds"]) for r in rows if r["outcome"] == "answered" and r["first"] == "yes"]
    everyone = [float(row["business_seconds"]) for row in rows], [row["outcome"] == "answered" for row in rows]
    within = summary(answered, [{"yes": True, "no": False, "": None}[row["met"]] for row in rows]).within_target
    still_open = [row for row in rows if row["outcome"] == "open"]
    assert [rounded(text) for text in printed] == [
        rounded(line("first response", summary(first))),
        rounded(line("reply time", summary(answered))),
        rounded(f"with those waiting: median {kaplan_meier(*everyone, 0.5)} p90 {kaplan_meier(*everyone, 0.9)}"),
        f"still waiting {len(still_open)} overdue {sum(row['met'] == 'no' for row in still_open)}",
        rounded(f"within target {within}"),
    ]


def rounded(text: str) -> str:
    """The last digit of a float depends on the order of the sums."""
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number.group()):.6g}", text)


def test_the_page_defines_the_version_that_the_code_names() -> None:
    assert f"Definitions, version **{DEFINITIONS}**" in PAGE.read_text()
