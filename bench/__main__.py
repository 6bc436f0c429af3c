"""`make bench`, or `python -m bench P1 L1`: one JSON line for each goal of the project.

Each line: name (begins with the goal's code), figure, unit, against, ratio as the goal states it, and the settings of
both sides. Exit code 1 when a side did less work than it should have.
"""

from __future__ import annotations

import json
import sys

from bench import inbox, polling
from bench.harness import LessWork

BENCHES = {"P1": polling.run, "L1": inbox.run}


def main() -> int:
    wanted = [name for name in sys.argv[1:] if name in BENCHES] or list(BENCHES)
    failed = False
    for name in wanted:
        try:
            for line in BENCHES[name]():
                print(json.dumps(line), flush=True)
        except LessWork as error:
            print(json.dumps({"name": name, "error": str(error)}), flush=True)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
