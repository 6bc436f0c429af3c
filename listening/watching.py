"""Conversations kept warm: without this, answers given on the network, and what people say next, are not found.

A watch is a source like any other (claimed, polled, leased, covered), with an end, and shown to nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from listening.connectors import REGISTER
from listening.models import Account, Item, Source
from listening.voice import as_item

FIRST_INTERVAL = timedelta(minutes=2)


def watch(item: Item, heard_by: Source, account: Account | None, until: datetime, now: datetime) -> None:
    """Keeps the conversation around `item` warm until `until`: its context where the network shows one, read through
    `account`; its comment feed where the item names one. The watch has the rhythm of the source that heard the item,
    if that is fixed, and is a place of ours if that one is."""
    address = REGISTER[item.network].discussion(as_item(item))
    if not address:
        return
    interval = heard_by.interval if heard_by.steady else FIRST_INTERVAL.total_seconds()
    source, made = Source.objects.get_or_create(
        brand_id=heard_by.brand_id,
        kind=item.network,
        base_url=account.base_url if account else "",
        address=address,
        defaults={
            "name": item.title[:300] or item.author_name[:300] or item.url[:300],
            "account": account,
            "comments_of": None if account else item,
            "own_place": heard_by.own_place and account is None,
            "warm_until": until,
            "added_at": now,
            "next_poll_at": now + timedelta(seconds=interval),
            "interval": interval,
            "steady": heard_by.steady,
        },
    )
    if not made and source.warm_until and source.warm_until < until:
        source.warm_until = until
        if source.state == Source.State.PAUSED:  # it had gone cold
            source.state, source.next_poll_at = Source.State.ACTIVE, now + timedelta(seconds=interval)
        source.save(update_fields=["warm_until", "state", "next_poll_at"])


def end_watches(now: datetime) -> int:
    """Sources whose conversation has gone cold are polled no more; gives how many."""
    return Source.objects.filter(warm_until__lt=now, state=Source.State.ACTIVE).update(state=Source.State.PAUSED)
