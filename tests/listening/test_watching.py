"""Conversations kept warm: one watch each, with an end, and woken again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from listening import watching
from listening.connectors.contract import Item as Said
from listening.models import Source
from listening.signals import mentions_arrived
from tests.cast import Cast, account_of, hear, item, source_of

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The told time alone counts."""
    monkeypatch.setattr(mentions_arrived, "receivers", [])


def watches() -> list[Source]:
    return list(Source.objects.filter(warm_until__isnull=False))


def toot(key: str, text: str, **given: Any) -> Said:
    return item(key, text, remote={"instance": "https://social.example", "id": key}, **given)


def test_one_watch_is_enough_for_all_that_is_said_under_one_root(cast: Cast) -> None:
    account = account_of(cast.nivalta, "https://social.example")
    source = source_of(cast.nivalta, "mastodon", base_url=account.base_url, account=account)
    hear(source, toot("1", "nivalta"), now=NOW)
    for key in ("2", "3"):
        answer = toot(key, "nivalta again", conversation_key="1", in_reply_to="1")
        hear(source, answer, now=NOW + timedelta(days=int(key)))
    (watch,) = watches()
    assert (watch.account, watch.base_url) == (account, account.base_url)
    assert watch.warm_until == NOW + timedelta(days=3 + 14)


def test_with_several_accounts_the_conversation_is_read_through_the_one_that_heard_it(cast: Cast) -> None:
    accounts = [account_of(cast.nivalta, f"https://{n}.example", remote_id=str(n)) for n in range(2)]
    source = source_of(cast.nivalta, "mastodon", base_url=accounts[1].base_url, account=accounts[1])
    hear(source, toot("1", "nivalta"), now=NOW)
    assert [watch.account for watch in watches()] == [accounts[1]]


def test_a_conversation_gone_cold_is_listened_to_again_when_somebody_speaks(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    said = replace(item("1", "nivalta"), comments_url="https://blog.example/1/comments")
    hear(source, said, now=NOW)
    assert watching.end_watches(NOW + timedelta(days=15)) == 1
    again = NOW + timedelta(days=20)
    hear(source, replace(said, external_id="2", conversation_key="1"), now=again)
    (watch,) = watches()
    assert (watch.state, watch.warm_until) == ("active", again + timedelta(days=14))
    assert watch.next_poll_at > again


def test_a_place_that_is_listened_to_anyway_is_no_watch(cast: Cast) -> None:
    comments = "https://blog.example/1/comments"
    source_of(cast.nivalta, address=comments)
    hear(source_of(cast.nivalta), replace(item("1", "nivalta"), comments_url=comments), now=NOW)
    assert watches() == []
