"""What is kept for a while only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from listening import retention
from listening.models import Fetch, Item, Mention
from tests.cast import Cast, hear, item, source_of

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_what_no_topic_wanted_is_forgotten_after_thirty_days(cast: Cast) -> None:
    source = source_of(cast.nivalta)
    hear(source, item("wanted", "nivalta"), item("unwanted", "rain"), now=NOW)
    assert retention.forget_unmatched(NOW + timedelta(days=29), 30) == 0
    assert retention.forget_unmatched(NOW + timedelta(days=31), 30) == 1
    wanted, unwanted = (Item.objects.get(external_id=key) for key in ("wanted", "unwanted"))
    assert wanted.text == "nivalta"
    assert (unwanted.text, unwanted.author_name, unwanted.author_id, unwanted.url) == ("", "", "", "")
    assert unwanted.fingerprint
    hear(source, item("unwanted", "rain"), now=NOW + timedelta(days=32))
    assert (Item.objects.count(), Item.objects.get(pk=unwanted.pk).text) == (2, "")


def test_what_was_forgotten_and_is_wanted_after_all_has_its_words_again(cast: Cast) -> None:
    hear(source_of(cast.nivalta, "mastodon", address="#rain"), item("1", "brontola"), now=NOW)
    retention.forget_unmatched(NOW + timedelta(days=31), 30)
    hear(source_of(cast.brontola, "mastodon", address="#rain"), item("1", "brontola"), now=NOW + timedelta(days=32))
    assert (Mention.objects.get().brand, Item.objects.get().text) == (cast.brontola, "brontola")


def test_single_fetches_go_after_two_weeks(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    source = source_of(cast.nivalta)
    Fetch.objects.bulk_create(Fetch(source=source, at=NOW - timedelta(days=n), outcome="checked") for n in range(25))
    assert retention.forget_fetches(NOW) == 10
    assert Fetch.objects.count() == 15
