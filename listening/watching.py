"""Conversations kept warm: without this, answers given on the network, and what people say next, are not found.

A watch is a source like any other (claimed, polled, leased, covered), with an end, and shown to nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from listening.connectors import REGISTER
from listening.models import Account, Item, Source
from listening.voice import as_item

FIRST_INTERVAL = timedelta(minutes=2)


def watch(
    item: Item, brand_id: int, account: Account | None, until: datetime, now: datetime, steady: float = 0
) -> None:
    """Keeps the conversation around `item` warm until `until`: its context where the network shows one, its comment
    feed where the item names one. `steady`: seconds, where the source itself has a fixed rhythm."""
    address = REGISTER[item.network].discussion(as_item(item))
    if not address:
        return
    interval = steady or FIRST_INTERVAL.total_seconds()
    source, made = Source.objects.get_or_create(
        brand_id=brand_id,
        kind=item.network,
        base_url=account.base_url if account else "",
        address=address,
        defaults={
            "name": item.title[:300] or item.author_name[:300] or item.url[:300],
            "account": account,
            "comments_of": None if account else item,
            "warm_until": until,
            "added_at": now,
            "next_poll_at": now + timedelta(seconds=interval),
            "interval": interval,
            "steady": bool(steady),
        },
    )
    if not made and source.warm_until and source.warm_until < until:
        Source.objects.filter(pk=source.pk).update(warm_until=until)


def end_watches(now: datetime) -> int:
    """Sources whose conversation has gone cold are polled no more; gives how many."""
    return Source.objects.filter(warm_until__lt=now, state=Source.State.ACTIVE).update(state=Source.State.PAUSED)
