"""What can be wrong with an installation, in words, each with what to do: `manage.py doctor` prints it.

A check yields findings and never raises for what it looks for. The first group needs nothing but the environment; the
rest asks the database, as the owner of its tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import redis
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http.request import validate_host

from accounts import live
from accounts.authority import Role
from accounts.models import Brand, Person
from accounts.roles import LOGINS, TAKEN, role_name
from config.messages import LOCALE
from config.prepare import static_files_changed
from conversations.models import CalendarVersion, Reply, TargetVersion
from listening import credentials
from listening.models import Account, Credential, Heartbeat, Source, Topic

SECRET_LENGTH = 50
OLDEST_POSTGRES = 16
DEAF = timedelta(seconds=90)
SKEW_SECONDS = 5.0
LATE_SECONDS = 120.0
SHOWN = 10
"""Sources in trouble that are named one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` says what to do, for whatever is not ok."""

    level: Literal["ok", "warn", "bad"]
    words: str
    remedy: str = ""


Findings = Iterator[Finding]


def ok(words: str) -> Finding:
    return Finding("ok", words)


def warn(words: str, remedy: str) -> Finding:
    return Finding("warn", words, remedy)


def bad(words: str, remedy: str) -> Finding:
    return Finding("bad", words, remedy)


def examine(now: datetime) -> Findings:
    """Everything, in the order in which it is mended. What needs the database's tables waits until they are there."""
    yield from secret_key()
    yield from credential_keys()
    yield from addresses()
    yield from languages()
    yield from static_files()
    yield from broker()
    for check in (server, login, migrations):
        findings = list(guarded(check))
        yield from findings
        if any(finding.level == "bad" for finding in findings):
            return
    yield from guards()
    yield from walls()
    yield from clocks(now)
    yield from heartbeats(now)
    yield from people()
    yield from brands()
    yield from accounts()
    yield from sources(now)
    yield from outbox()


def guarded(check: Callable[[], Findings]) -> Findings:
    """A database that can't be asked is a finding too."""
    try:
        yield from check()
    except DatabaseError as error:
        yield bad(
            f"PostgreSQL does not answer: {' '.join(str(error).split())}",
            "Start it (make demo, or python -m config.services start), or set DATABASE_URL to where it runs.",
        )


# ── the environment ─────────────────────────────────────────────────────────────────────────────────────────────────


def secret_key() -> Findings:
    try:
        length = len(settings.SECRET_KEY)
    except ImproperlyConfigured:  # what Django says of an empty one
        length = 0
    if length >= SECRET_LENGTH:
        yield ok("The secret key is there.")
    else:
        yield bad(
            f"SECRET_KEY has {length} characters; sessions and links could be forged.",
            f"Set it to at least {SECRET_LENGTH} random characters: openssl rand -hex 32",
        )


def credential_keys() -> Findings:
    make = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    if not settings.CREDENTIAL_KEYS:
        yield bad("ASCOLTO_CREDENTIAL_KEYS is empty: no account can be connected.", f"Make a key: {make}")
        return
    for number, key in enumerate(settings.CREDENTIAL_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            yield bad(f"Key {number} of ASCOLTO_CREDENTIAL_KEYS is no Fernet key.", f"Mend it, or make another: {make}")
            return
    yield ok(f"Credentials have {counted(len(settings.CREDENTIAL_KEYS), 'key')}.")


def addresses() -> Findings:
    """The name people use, whether it is allowed, and whether it is a public one in the demo."""
    url = urlsplit(settings.PUBLIC_URL)
    host = url.hostname or ""
    if settings.DEMO:
        names = [host, *(name for name in settings.ALLOWED_HOSTS if name != "testserver")]
        if strangers := [name for name in names if not is_loopback(name)]:
            yield bad(
                f"This is the demo, whose passwords everybody knows, and it answers as {strangers[0]}.",
                "Take ASCOLTO_DEMO away, or ASCOLTO_HOSTS and ASCOLTO_URL.",
            )
        else:
            yield ok("The demo answers on this machine only.")
        return
    if is_loopback(host):
        yield warn(
            f"Links that Ascolto prints begin with {settings.PUBLIC_URL}, which works on this machine only.",
            "Set ASCOLTO_URL to the address that people use, such as https://ascolto.example.",
        )
    elif url.scheme != "https":
        yield bad(
            f"ASCOLTO_URL is {settings.PUBLIC_URL}: over plain http nobody can sign in.",
            "Put a proxy with TLS in front (docker-compose.yml has one), and begin ASCOLTO_URL with https.",
        )
    elif not validate_host(host, settings.ALLOWED_HOSTS):
        yield bad(f"ASCOLTO_HOSTS does not allow {host}: every page would answer 400.", f"Add {host} to ASCOLTO_HOSTS.")
    else:
        yield ok(f"People reach Ascolto at {settings.PUBLIC_URL}.")
    if "*" in settings.ALLOWED_HOSTS:
        yield bad("ASCOLTO_HOSTS allows every name.", "Name the hosts that people use.")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def languages() -> Findings:
    catalogues = list(LOCALE.glob("*/LC_MESSAGES/*.po"))
    stale = [po for po in catalogues if not is_compiled(po)]
    if stale:
        names = ", ".join(sorted({po.parts[-3] for po in stale}))
        yield bad(f"The translations are not compiled: {names}.", "Run: python -m config.messages")
    else:
        yield ok(f"{counted(len(catalogues), 'translation')} compiled.")


def is_compiled(catalogue: Path) -> bool:
    compiled = catalogue.with_suffix(".mo")
    return compiled.exists() and compiled.stat().st_mtime >= catalogue.stat().st_mtime


def static_files() -> Findings:
    if settings.STATIC_ROOT is None:
        yield ok("Style sheets and scripts are served from where they lie.")
    elif static_files_changed():
        yield bad(
            f"Style sheets and scripts are not collected in {settings.STATIC_ROOT}, or older than their sources.",
            "Run: python manage.py collectstatic --no-input",
        )
    else:
        yield ok("Style sheets and scripts are collected.")


def broker() -> Findings:
    try:
        policy = live.store().info("memory").get("maxmemory_policy", "")
    except (redis.RedisError, ValueError) as error:
        yield bad(f"Redis does not answer: {error}", "Start it, or set REDIS_URL to where it runs.")
        return
    if policy == "noeviction":
        yield ok("Redis answers, and drops nothing.")
    elif policy:
        yield bad(
            f"Redis drops what it likes when it is full ({policy}).", "Set maxmemory-policy noeviction in its settings."
        )
    else:
        yield warn("Redis answers, but does not say what it does when it is full.", "It should be noeviction.")


# ── the database ────────────────────────────────────────────────────────────────────────────────────────────────────


def server() -> Findings:
    connection.ensure_connection()
    version = connection.cursor().connection.server_version // 10_000
    if version < OLDEST_POSTGRES:
        yield bad(
            f"This is PostgreSQL {version}: roles can't be granted as Ascolto needs it.",
            f"Use PostgreSQL {OLDEST_POSTGRES} or newer.",
        )
    else:
        yield ok(f"PostgreSQL {version} answers.")


def login() -> Findings:
    """Row-level security holds for nobody who is a superuser; and only the owner of the tables can examine them."""
    database = connection.settings_dict["NAME"]
    names = [role_name(kind, database) for kind in (*LOGINS, *TAKEN)]
    missing = {*names} - {
        name for (name,) in asked("SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%s)", names)
    }
    strong = asked(
        """SELECT rolname::text FROM pg_roles
           WHERE (rolname = current_user OR rolname = ANY (%s)) AND (rolsuper OR rolbypassrls)""",
        names,
    )
    if strong:
        yield bad(
            f"{strong[0][0]} is a superuser or bypasses row-level security: what guards consultants would not hold.",
            f'As a superuser: ALTER ROLE "{strong[0][0]}" NOSUPERUSER NOBYPASSRLS',
        )
    elif missing:
        yield bad(f"The role {sorted(missing)[0]} is missing.", "Run as the owner: python -m config.prepare")
    else:
        yield ok("No login of ours is a superuser, none bypasses row-level security.")
    owner = asked("SELECT tableowner::text FROM pg_tables WHERE tablename = 'accounts_person'")
    me = asked("SELECT current_user::text")[0][0]
    if owner and owner[0][0] != me:
        yield bad(
            f"The tables belong to {owner[0][0]}, and this is {me}.", "Run doctor as their owner: ASCOLTO_PROCESS=owner"
        )


def migrations() -> Findings:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        yield bad(
            f"{counted(len(plan), 'migration')} to apply, the first is {plan[0][0]}.",
            "Run as the owner: python -m config.prepare",
        )
    else:
        yield ok("All migrations are applied.")


def guards() -> Findings:
    """Whatever the guards' texts switch on must be on: row-level security, policies, triggers."""
    text = "\n".join(Path(app.path, "guards.sql").read_text() for app in map(apps.get_app_config, GUARDED))
    wanted = {
        "row-level security of": set(re.findall(r"ALTER TABLE (\w+) ENABLE ROW LEVEL SECURITY", text)),
        "the policy": set(re.findall(r"CREATE POLICY (\w+) ON", text)),
        "the trigger": set(re.findall(r"CREATE (?:OR REPLACE |CONSTRAINT )?TRIGGER (\w+)", text)),
    }
    there = {
        "row-level security of": "SELECT relname::text FROM pg_class WHERE relrowsecurity",
        "the policy": "SELECT policyname::text FROM pg_policies",
        "the trigger": "SELECT tgname::text FROM pg_trigger WHERE tgenabled <> 'D'",
    }
    missing = [
        f"{kind} {name}"
        for kind, names in wanted.items()
        for name in sorted(names - {found for (found,) in asked(there[kind])})
    ]
    if missing:
        yield bad(
            f"The database's guards are not whole: {', '.join(missing[:SHOWN])}.",
            "Put them back as the owner: python manage.py roles. Then find out who took them away.",
        )
    else:
        yield ok(f"The database's {sum(map(len, wanted.values()))} guards stand.")


GUARDED = ("accounts", "listening", "conversations")


def walls() -> Findings:
    """What each role must not be able to do, and what the web process must."""
    database = connection.settings_dict["NAME"]
    web, staff, consultant = (role_name(kind, database) for kind in ("web", "staff", "consultant"))
    forbidden = {
        "The web process can read credentials.": (web, "listening_credential", "SELECT"),
        "Consultants can write replies.": (consultant, "conversations_reply", "INSERT, UPDATE"),
        "Consultants can change conversations.": (consultant, "conversations_thread", "INSERT, UPDATE"),
        "Consultants can read notes.": (consultant, "conversations_note", "SELECT"),
    }
    broken = [
        words for words, wall in forbidden.items() if asked("SELECT has_table_privilege(%s, %s, %s)", *wall)[0][0]
    ]
    for words in broken:
        yield bad(words, "Apply the guards again, as the owner: python manage.py roles")
    for role in (staff, consultant):
        if not asked("SELECT pg_has_role(%s, %s, 'SET')", web, role)[0][0]:
            yield bad(f"{web} can't take the role {role}: no page opens.", "As the owner: python manage.py roles")
            return
    if not broken:
        yield ok("Consultants can't speak, and the web process can't read credentials.")


def clocks(now: datetime) -> Findings:
    (there,) = asked("SELECT clock_timestamp()")[0]
    skew = abs((there - now).total_seconds())
    if skew > SKEW_SECONDS:
        yield bad(
            f"This machine's clock and the database's differ by {skew:.0f} seconds.", "Keep both with NTP or chrony."
        )
    else:
        yield ok("This machine's clock and the database's agree.")


# ── what runs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def heartbeats(now: datetime) -> Findings:
    beats = dict(Heartbeat.objects.values_list("name", "at"))
    costs = {
        "beat": "nothing is done by the clock",
        "poller": "nothing new is heard",
        "sender": "no reply leaves",
    }
    deaf = [name for name in costs if name not in beats or now - beats[name] > DEAF]
    if len(deaf) == len(costs):
        yield warn(
            "Neither beat nor a worker runs: nothing is heard, no reply leaves.", "Start them (docs/operating.md)."
        )
        return
    for name in deaf:
        yield bad(
            f"{name} does not run: {costs[name]}.", "Start it (docs/operating.md), and look at the end of its log."
        )
    if not deaf:
        yield ok("Beat and both workers run.")


def people() -> Findings:
    if Person.objects.filter(role=Role.ADMINISTRATOR, active=True).exists():
        yield ok("There is an administrator.")
    else:
        yield warn("There is no administrator.", "Run: python manage.py setup --brand … --name … --admin EMAIL")


def brands() -> Findings:
    for brand in Brand.objects.filter(archived_at=None):
        lacks = [
            name
            for name, model in (("calendar", CalendarVersion), ("target", TargetVersion))
            if not model.objects.filter(brand=brand).exists()
        ]
        if lacks:
            yield bad(
                f"{brand} has no {' and no '.join(lacks)}: answers are not timed.",
                "Brands made by manage.py setup have both; add the missing rows to this one by hand.",
            )
        elif not Source.objects.filter(brand=brand, warm_until=None).exists():
            yield warn(f"{brand} listens to no source.", f"Run: python manage.py listen KIND --brand {brand.slug} …")
        elif not Topic.objects.filter(brand=brand, active=True).exists():
            yield warn(
                f"{brand} has no topic: only what is addressed to it comes in.",
                f"Run: python manage.py topic NAME --brand {brand.slug} --any WORD …",
            )
        else:
            yield ok(f"{brand} has its calendar, target, topics and sources.")


def accounts() -> Findings:
    for account in Account.objects.select_related("brand").order_by("pk"):
        again = (
            f"connect it again with python manage.py connect {account.kind} --brand {account.brand.slug} "
            f"--base {account.base_url}"
        )
        if not Credential.objects.filter(account=account).exists():
            yield bad(f"{account} has no credential.", f"So {again}")
            continue
        try:
            credentials.reveal(account)
        except (credentials.NoKey, ValueError):
            yield bad(
                f"The credential of {account} can't be opened with these keys.",
                f"Put the key it was sealed with into ASCOLTO_CREDENTIAL_KEYS. If that is lost: {again}",
            )
            continue
        if account.state == Account.State.PAUSED:
            yield warn(
                f"{account} is paused: {account.state_words or 'no reply leaves from it'}",
                f"When that is mended, {again}",
            )
        else:
            yield ok(f"{account} can be spoken from.")


def sources(now: datetime) -> Findings:
    listened = Source.objects.filter(warm_until=None)
    troubled = listened.filter(state=Source.State.ACTIVE, failures__gt=0).order_by("-failures", "pk")
    for source in troubled[:SHOWN]:
        since = f"{source.last_success_at:%Y-%m-%d %H:%M} UTC" if source.last_success_at else "it was added"
        yield warn(f"Source {source.pk}, {source}: nothing since {since}.", source.trouble_words)
    if troubled.count() > SHOWN:
        yield warn(f"{troubled.count() - SHOWN} more sources are in trouble.", "The page Sources lists them all.")
    (late,) = asked("SELECT coalesce(ascolto_oldest_due_seconds(), 0)")[0]
    if late > LATE_SECONDS:
        yield warn(f"A source has been due for {late:.0f} seconds.", "See that a worker for the queue poll runs.")
    elif not troubled:
        yield ok(f"{counted(listened.count(), 'source')}, none in trouble.")


def outbox() -> Findings:
    waiting = Reply.objects.filter(state__in=(Reply.State.NEEDS_PERSON, Reply.State.HELD, Reply.State.FAILED)).count()
    if waiting:
        yield warn(
            f"{counted(waiting, 'reply', plural='replies')} waiting for somebody's decision.",
            "python manage.py outbox --all lists them; whoever opens the conversation can decide.",
        )
    else:
        yield ok("No reply waits for somebody's decision.")


def asked(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values])
        return list(cursor.fetchall())


def counted(number: int, word: str, plural: str = "") -> str:
    return f"{number} {word if number == 1 else plural or word + 's'}"
