"""The peer of P1: the PyPI package `reader`, told on standard input to update, as its documentation does it."""

from __future__ import annotations

import sys
from pathlib import Path

from reader import make_reader

WORKERS = 10


def main(database: str, addresses: Path) -> None:
    reader = make_reader(database)
    for address in addresses.read_text().split():
        reader.add_feed(address, exist_ok=True)
    print("ready", flush=True)
    for _ in sys.stdin:
        results = reader.update_feeds_iter(workers=WORKERS, scheduled=False)
        updated = sum(1 for result in results if not isinstance(result.value, Exception))
        print(updated, reader.get_entry_counts().total, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
