"""What holds for every connector in the register."""

from __future__ import annotations

from pathlib import Path

import pytest

from listening.connectors import REGISTER
from listening.connectors.contract import Place, Trouble, Unreachable, Voice

from .cases import HERE, cases, play
from .servers import world


@pytest.mark.parametrize("kind", REGISTER)
def test_connector_names_itself_and_has_cases(kind: str) -> None:
    connector = REGISTER[kind]
    assert connector.kind == kind
    assert connector.label
    assert connector.interval >= 1
    assert list((HERE / kind).glob("*/expected.json")), f"write a case in tests/connectors/{kind}/"


@pytest.mark.parametrize("case", cases(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_case_becomes_what_stands_beside_it(case: Path) -> None:
    told, expected = play(case)
    assert told == expected


@pytest.mark.parametrize("kind", REGISTER)
@pytest.mark.parametrize("address", ["", " ", "nonsense\x00", "#", "search:"])
def test_wrong_address_is_refused_with_words(kind: str, address: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        REGISTER[kind].describe(address)


@pytest.mark.parametrize("kind", REGISTER)
def test_nobody_at_home_is_a_trouble_with_words(kind: str) -> None:
    base = "http://127.0.0.1:9"
    address = {"mastodon": "mentions"}.get(kind, f"{base}/feed")
    with pytest.raises(Trouble) as caught:
        REGISTER[kind].poll(Place(address, base, "token", "1"), {}, world(base))
    assert isinstance(caught.value, Unreachable)
    assert caught.value.words


@pytest.mark.parametrize("kind", [kind for kind, each in REGISTER.items() if isinstance(each, Voice)])
def test_a_voice_knows_its_limit_before_it_knows_the_server(kind: str) -> None:
    voice = REGISTER[kind]
    assert isinstance(voice, Voice)
    assert voice.limit({}) > 0
    assert voice.length("", {}) == 0
    assert voice.length("però", {}) == 4
