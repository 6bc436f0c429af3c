"""The roles of PostgreSQL, and the guards of each app (`<app>/guards.sql`): the database's own share of authority.

Roles are cluster-wide, so their names carry the database's name. Logins: `<db>_web` (takes `<db>_staff` or
`<db>_consultant` for one transaction), `<db>_sender`, `<db>_poller`. The owner alone changes tables. Since
PostgreSQL 16 whoever creates a role cannot SET ROLE to it without an explicit grant: both are granted here.
Everything is idempotent and runs after each `migrate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import post_migrate
from psycopg2 import sql

LOGINS = ("web", "sender", "poller")
TAKEN = ("staff", "consultant")
LONGEST = 63
"""Bytes of a name in PostgreSQL; longer ones are cut in silence."""
LOCK = 7_265_201_726
"""Advisory lock: two installations on one cluster do not make the same role at once."""


def role_name(kind: str, database: str) -> str:
    """Raises ValueError for a database whose name leaves no room: cut names would make two roles one."""
    name = f"{database}_{kind}"
    if len(name.encode()) > LONGEST:
        raise ValueError(f"The database's name is too long: the role {name} would have more than {LONGEST} bytes.")
    return name


def apply_after_migrations() -> None:
    post_migrate.connect(_after_migrate, sender=apps.get_app_config("conversations"), dispatch_uid="ascolto-guards")


def _after_migrate(using: str, plan: object = None, **_: Any) -> None:
    if plan is not None:  # a flush sends the same signal, without a plan, and changes no table
        install(using)


def install(using: str = "default", passwords: Mapping[str, str] | None = None) -> None:
    """Makes the roles (with a password for each login that has one in `passwords`) and applies every app's guards."""
    connection = connections[using]
    database = connection.settings_dict["NAME"]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        for kind in (*LOGINS, *TAKEN):
            _make(cursor, role_name(kind, database), login=kind in LOGINS, password=(passwords or {}).get(kind))
        for kind in TAKEN:
            _grant_taking(cursor, role_name(kind, database), role_name("web", database))
        if "accounts_person" in connection.introspection.table_names(cursor):
            for statement in _guards(database):
                cursor.execute(statement)


def _make(cursor: CursorWrapper, name: str, *, login: bool, password: str | None) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
    if not cursor.fetchone():
        kind = sql.SQL("LOGIN NOINHERIT" if login else "NOLOGIN")
        cursor.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), kind).as_string(cursor.cursor))
    if login and password:
        change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
        cursor.execute(change.as_string(cursor.cursor))
    # The owner works in each of them too: commands, tests and the demo act through the very same roles.
    cursor.execute("SELECT pg_has_role(current_user, %s, 'SET')", [name])
    if not cursor.fetchone()[0]:
        owner = sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE").format(sql.Identifier(name))
        cursor.execute(owner.as_string(cursor.cursor))


def _grant_taking(cursor: CursorWrapper, taken: str, by: str) -> None:
    statement = sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(sql.Identifier(taken), sql.Identifier(by))
    cursor.execute(statement.as_string(cursor.cursor))


def _guards(database: str) -> list[str]:
    """First everything is taken away, then each app gives what its guards say."""
    names = {kind: role_name(kind, database) for kind in (*LOGINS, *TAKEN)}
    everyone = ", ".join(f'"{name}"' for name in names.values())
    texts = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {everyone}",
        f"GRANT USAGE ON SCHEMA public TO {everyone}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {everyone}",
        f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC',
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ]
    for app in ("accounts", "listening", "conversations"):
        text = Path(apps.get_app_config(app).path, "guards.sql").read_text()
        for kind, name in names.items():
            text = text.replace(f"{{{kind}}}", f'"{name}"').replace(f"{{{kind}_name}}", name)
        texts.append(text)
    return texts
