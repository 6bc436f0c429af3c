"""Who is in the square: two brands and three customers. Their tokens open nothing but this sandbox."""

from __future__ import annotations

import os
from dataclasses import dataclass

DOMAIN = "piazzetta.example"


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    name: str
    title: str
    brand: bool = False
    language: str = "it"
    mood: str = ""
    """A key of `words`: how this customer is."""

    @property
    def token(self) -> str:
        """The brand's token may be given from outside, as SANDBOX_TOKEN."""
        fixed = f"{self.name}-demo-token"
        return os.environ.get("SANDBOX_TOKEN", fixed) if self.name == "nivalta" else fixed

    @property
    def uri(self) -> str:
        return f"https://{DOMAIN}/users/{self.name}"


ACCOUNTS = (
    Account("101", "nivalta", "Nivalta", brand=True),
    Account("102", "brontola", "Brontola", brand=True),
    Account("201", "gemma", "Gemma Larici", mood="curious"),
    Account("202", "oreste", "Oreste Pianalto", mood="angry"),
    Account("203", "wendelin", "Wendelin Moos", language="de", mood="german"),
)
BY_NAME = {account.name: account for account in ACCOUNTS}
BRANDS = tuple(account for account in ACCOUNTS if account.brand)
CUSTOMERS = tuple(account for account in ACCOUNTS if not account.brand)


def by_token(token: str) -> Account | None:
    return next((account for account in ACCOUNTS if account.token == token), None)
