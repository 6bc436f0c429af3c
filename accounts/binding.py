"""The one way into the database for whoever acts: a transaction, under a role of PostgreSQL, in a person's name.

`SET LOCAL` and a local setting end with the transaction, so nothing leaks through a pooled connection. A block inside
another block gives back the role and the actor it found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from accounts.models import Person
from accounts.roles import role_name


@contextmanager
def bound(role: str, person_id: int | None = None, *, durable: bool = True) -> Iterator[None]:
    """Everything inside is one transaction under `role` (web, staff, consultant, sender, poller), in a person's name.

    `durable` says that this is the outermost transaction: a commit at its end is a real commit.
    """
    outermost = not connection.in_atomic_block
    before = None if outermost else _now_bound()
    with transaction.atomic(durable=durable and outermost):
        take(role, person_id)
        yield
    if before is not None:  # after an error the savepoint has given both back already
        _set(*before)


def take(role: str, person_id: int | None = None) -> None:
    """Takes a role for the rest of the transaction."""
    _set(role_name(role, connection.settings_dict["NAME"]), str(person_id or ""))


def role_of(person: Person) -> str:
    return "staff" if person.is_staff_member else "consultant"


def _set(role: str, actor: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('role', %s, true), set_config('ascolto.actor', %s, true)", [role, actor])


def _now_bound() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), coalesce(current_setting('ascolto.actor', true), '')")
        role, actor = cursor.fetchone()
        return role, actor
