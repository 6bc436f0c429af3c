"""The audit trail: chained at commit, never forked, and whatever is changed in it is found."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry
from tests.cast import Cast, as_staff

pytestmark = pytest.mark.django_db(transaction=True)
LIFTED = "ALTER TABLE accounts_auditentry {} TRIGGER USER"


@pytest.fixture
def entries(cast: Cast) -> list[int]:
    """Five decisions of two people."""
    for number, person in enumerate((cast.marta, cast.teo, cast.marta, cast.teo, cast.marta)):
        with as_staff(person):
            audit.record(person.pk, f"thread.test{number}", person, timezone.now(), number=number)
    return list(AuditEntry.objects.order_by("seq").values_list("pk", flat=True))


def by_the_owner(statement: str, *values: Any) -> None:
    """What somebody does who may lift triggers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LIFTED.format("DISABLE"))
        cursor.execute(statement, values)
        cursor.execute(LIFTED.format("ENABLE"))


def test_the_chain_holds_and_names_its_signers(cast: Cast, entries: list[int], capsys: Any) -> None:
    rows = AuditEntry.objects.order_by("seq")
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    assert [row.previous for row in rows] == ["", *(row.print for row in rows[:4])]
    assert [row.actor_id for row in rows][:2] == [cast.marta.pk, cast.teo.pk]
    assert audit.first_bad_entry() is None
    call_command("verify_audit")
    assert "5 entries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "which"),
    [
        ("UPDATE accounts_auditentry SET action = 'thread.other' WHERE seq = 2", 1),
        ("UPDATE accounts_auditentry SET actor_id = 4711 WHERE seq = 3", 2),
        ("UPDATE accounts_auditentry SET at = at - interval '1 day' WHERE seq = 1", 0),
        ("UPDATE accounts_auditentry SET meta = '{}' WHERE seq = 5", 4),
        ("UPDATE accounts_auditentry SET actor_id = NULL, action = actor_id || '|' || action WHERE seq = 4", 3),
        ("DELETE FROM accounts_auditentry WHERE seq = 3", 3),
        ("DELETE FROM accounts_auditentry WHERE seq = 1", 1),
        ("DELETE FROM accounts_auditentry WHERE seq >= 4", 2),
        ("DELETE FROM accounts_auditentry WHERE seq = 5; UPDATE accounts_audithead SET seq = 4", 3),
        ("UPDATE accounts_audithead SET print = 'x'", 4),
    ],
)
def test_what_was_changed_is_named(statement: str, which: int, entries: list[int]) -> None:
    by_the_owner(statement)
    assert audit.first_bad_entry() == entries[which]
    with pytest.raises(CommandError, match=str(entries[which])):
        call_command("verify_audit")


def test_an_entry_slipped_in_is_named(entries: list[int]) -> None:
    by_the_owner("INSERT INTO accounts_auditentry (at, action, object_type, meta) VALUES (now(), 'x', '', '{}')")
    assert audit.first_bad_entry() == AuditEntry.objects.get(action="x").pk


def test_all_gone_is_noticed(entries: list[int]) -> None:
    by_the_owner("DELETE FROM accounts_auditentry")
    assert audit.first_bad_entry() == 0


def test_an_entry_that_was_taken_back_leaves_no_gap(cast: Cast, entries: list[int]) -> None:
    with as_staff(cast.marta):
        audit.record(cast.marta.pk, "thread.undone", None, timezone.now())
        transaction.set_rollback(True)
    with as_staff(cast.marta):
        audit.record(cast.marta.pk, "thread.kept", None, timezone.now())
    assert AuditEntry.objects.count() == 6
    assert audit.first_bad_entry() is None


def test_many_at_once_do_not_fork(cast: Cast, environment_of: Callable[[str], dict[str, str]]) -> None:
    """Eight connections, twenty transactions each, some with two entries."""
    address = environment_of("owner")["DATABASE_URL"]
    add = "INSERT INTO accounts_auditentry (at, actor_id, action, object_type, meta) VALUES (now(), %s, 'x', '', '{}')"

    def work(number: int) -> None:
        own = psycopg2.connect(address)
        for turn in range(20):
            with own, own.cursor() as cursor:
                cursor.execute("SELECT set_config('ascolto.actor', %s, true)", [str(cast.marta.pk)])
                for _ in range(1 + turn % 2):
                    cursor.execute(add, [cast.marta.pk])
        own.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert AuditEntry.objects.count() == 8 * 30
    assert AuditEntry.objects.values("previous").distinct().count() == 8 * 30
    assert audit.first_bad_entry() is None
