"""Cases written by hand beside each connector: what the network says, and what it has to become.

`<kind>/<case>/exchange.json` holds the exchanges (see `servers.Replay`), `expected.json` the place, the clock and what
each poll in a row gives. Fields of an item that are empty are left out.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from listening.connectors import REGISTER
from listening.connectors.contract import Heard, Json, Place, Trouble

from .servers import replaying, world

HERE = Path(__file__).resolve().parent


def cases() -> list[Path]:
    return sorted(path.parent for kind in REGISTER for path in (HERE / kind).glob("*/expected.json"))


def play(case: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a case becomes, and what it should become."""
    expected = json.loads((case / "expected.json").read_text())
    place, polls = expected["place"], []
    cursor: Json = {}
    with replaying(json.loads((case / "exchange.json").read_text())) as (base, _):
        far = world(base, now=datetime.fromisoformat(expected["now"]))
        where = Place(place["address"].replace("{base}", base), base, place.get("token", ""), place.get("us", ""))
        for _ in expected["polls"]:
            try:
                heard = REGISTER[case.parent.name].poll(where, cursor, far)
            except Trouble as trouble:
                polls.append({"trouble": trouble.code} | _kept(wait=trouble.wait))
                continue
            cursor = heard.cursor
            polls.append(as_json(heard))
        told = json.loads(json.dumps(polls).replace(base, "{base}").replace(base.removeprefix("http://"), "{host}"))
    return expected | {"polls": told}, expected


def as_json(heard: Heard) -> dict[str, Any]:
    """A poll's result as written in a case."""
    items = [_kept(**dataclasses.asdict(item)) for item in heard.items]
    aside = [each.reason for each in heard.set_aside]
    return {"items": items} | _kept(
        set_aside=aside, removed=heard.removed, complete=None if heard.complete else "no", wait=heard.wait
    )


def _kept(**fields: Any) -> dict[str, Any]:
    """Without what is empty; times as text; HTML and our own bookkeeping belong to the connector."""
    kept = {name: value for name, value in fields.items() if value and name not in ("html", "author", "remote")}
    author = _kept(**fields["author"]) if "author" in fields else {}
    remote = (
        {"remote": {name: value for name, value in fields["remote"].items() if value}} if "remote" in fields else {}
    )
    clear = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in kept.items()}
    return clear | ({"author": author} if author else {}) | remote
