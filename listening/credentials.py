"""Credentials at rest: Fernet with rotating keys that stand outside the database. Nothing here is ever logged."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from listening.models import Account, Credential


class NoKey(Exception):
    """The key is missing or wrong: the words say what to do."""


def seal(account: Account, token: str) -> None:
    """Stores the account's token, encrypted with the newest key."""
    Credential.objects.update_or_create(account=account, defaults={"cipher": _keys().encrypt(token.encode())})


def reveal(account: Account) -> str:
    """The account's token; empty when it has none. Raises `NoKey`."""
    credential = Credential.objects.filter(account=account).first()
    if credential is None:
        return ""
    try:
        return _keys().decrypt(bytes(credential.cipher)).decode()
    except InvalidToken as error:
        raise NoKey(
            "The credential cannot be decrypted: ASCOLTO_CREDENTIAL_KEYS lacks the key it was sealed with."
        ) from error


def _keys() -> MultiFernet:
    if not settings.CREDENTIAL_KEYS:
        raise NoKey("ASCOLTO_CREDENTIAL_KEYS is empty in this process: no credential can be read.")
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
