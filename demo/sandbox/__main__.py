"""`python -m demo.sandbox`: La Piazzetta on 127.0.0.1:$SANDBOX_PORT."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from .server import check_permitted, serve


def main() -> None:
    try:
        check_permitted()
    except RuntimeError as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, _stop)
    data = Path(os.environ.get("ASCOLTO_DATA_DIR", ".ascolto"))
    data.mkdir(parents=True, exist_ok=True)
    serve(int(os.environ.get("SANDBOX_PORT", "8700")), data / "sandbox.sqlite3")


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


main()
