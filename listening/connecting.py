"""Connecting an account of the brand: its credential is checked first, then kept encrypted, and never shown again."""

from __future__ import annotations

from datetime import datetime

from accounts import audit
from accounts.models import Brand, Staff
from listening import credentials, voice
from listening.models import Account


def connect(kind: str, brand: Brand, base_url: str, token: str, by: Staff | None, now: datetime) -> Account:
    """Checks the token with the network, registers who it belongs to. Raises `Speechless`, `NoKey`, or a `Trouble`."""
    identity = voice.identify(kind, base_url.rstrip("/"), token)
    known = {
        "handle": identity.handle,
        "name": identity.name,
        "url": identity.url,
        "scopes": list(identity.scopes),
        "facts": identity.facts,
        "state": Account.State.ACTIVE,
        "state_words": "",
        "connected_by": by,
        "checked_at": now,
    }
    account, _ = Account.objects.update_or_create(
        brand=brand,
        kind=kind,
        base_url=base_url.rstrip("/"),
        remote_id=identity.remote_id,
        defaults=known,
        create_defaults=known | {"connected_at": now},
    )
    credentials.seal(account, token)
    audit.record(None, "account.connected", account, now, kind=kind)
    return account
