"""The stamp of a brand moves with every change in it; a page asks whether the one it shows still stands.

Redis holds the stamps and may lose them: a page then asks the full door. What must be right is never decided here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings
from django.core import signing
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.models import Brand, Engagement, Membership, Person

KEEP = 24 * 3600
"""Seconds a stamp lives without a change."""


@cache
def store() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def touch(brand_id: int) -> None:
    """Moves the brand's stamp once this transaction is committed. A lost bell costs a page seconds, nothing else."""
    bell = _bell(brand_id)
    if not any(bell in waiting for waiting in connection.run_on_commit):
        transaction.on_commit(bell, robust=True)


@cache
def _bell(brand_id: int) -> Callable[[], None]:
    """One for each brand, so that many changes in one transaction ring once."""
    return lambda: _move(brand_id)


def _move(brand_id: int) -> None:
    store().set(f"stamp:{brand_id}", secrets.token_hex(6), ex=KEEP)


@receiver(post_save, sender=Person)
@receiver(post_save, sender=Engagement)
@receiver(post_save, sender=Membership)
@receiver(post_delete, sender=Membership)
def rights_changed(instance: Person | Engagement | Membership, **_: object) -> None:
    """An open page of somebody whose rights changed goes through the full door at its next poll."""
    if isinstance(instance, Membership):
        concerned = Q(pk=instance.brand_id)
    elif isinstance(instance, Engagement):
        concerned = Q(engagements=instance)
    else:
        concerned = Q(membership__staff_id=instance.pk) | Q(engagements__consultants=instance)
    for brand_id in Brand.objects.filter(concerned).values_list("pk", flat=True).distinct():
        touch(brand_id)


def stamp(brand_id: int) -> str:
    """The brand's stamp; empty when Redis does not answer."""
    try:
        key = f"stamp:{brand_id}"
        store().set(key, secrets.token_hex(6), ex=KEEP, nx=True)
        found = store().get(key)
        return found.decode() if isinstance(found, bytes) else ""
    except redis.RedisError:
        return ""


def sign(session_key: str, brand_id: int, right_ends: float) -> str:
    """What the page shows at each poll: whose session, where, until when (seconds since 1970), and the stamp it was
    made with."""
    return signing.dumps([_print(session_key), brand_id, right_ends, stamp(brand_id)], salt="live", compress=True)


def unchanged(token: str, session_key: str, now: float) -> bool:
    """Does the page still show what is? Answered from Redis alone. False sends it through the full door."""
    try:
        holder, brand_id, right_ends, seen = signing.loads(token, salt="live", max_age=13 * 3600)
        current = store().get(f"stamp:{brand_id}")
    except (signing.BadSignature, redis.RedisError, ValueError):
        return False
    fresh = isinstance(current, bytes) and current.decode() == seen != ""
    return fresh and now < right_ends and holder == _print(session_key)


def _print(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()[:24]
