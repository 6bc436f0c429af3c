"""The database refuses by itself: with real log-ins of PostgreSQL, past every page and every function of ours.

Each refusal stands beside its twin: nearly the same statement, by somebody who may, which succeeds. All is taken back.
"""
# ruff: noqa: E501 (one refusal a line reads as a table)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from accounts.roles import role_name
from tests.accounts.conftest import World

REFUSED = (errors.InsufficientPrivilege, errors.CheckViolation, errors.ForeignKeyViolation)


@dataclass(frozen=True)
class As:
    """Who asks: a login, the role it takes for the transaction, and in whose name."""

    login: str
    role: str = ""
    person: str = ""


OWNER, WEB, SENDER, POLLER = As("owner"), As("web"), As("sender"), As("poller")
MARTA, TEO, GIULIA = (As("web", "staff", name) for name in ("marta", "teo", "giulia"))
ZOE, UNSIGNED, FORGED = As("web", "staff", "zoe"), As("web", "staff"), As("web", "staff", "sandro")
SANDRO, OLMO, BRUNO, NORA = (As("web", "consultant", name) for name in ("sandro", "olmo", "bruno", "nora"))
NOBODY = As("web", "consultant")


@pytest.fixture
def run(world: World, connected: Callable[[str], Any]) -> Callable[..., list[tuple[Any, ...]]]:
    """Runs one statement as somebody, and takes it back. `{words}` in it are ids of the world."""

    def run(who: As, statement: str) -> list[tuple[Any, ...]]:
        connection = connected(who.login)
        try:
            with connection.cursor() as cursor:
                take(cursor, who)
                cursor.execute(statement.format(**ids(world)))
                found = cursor.fetchall() if cursor.description else [(cursor.rowcount,)]
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                return found
        finally:
            connection.rollback()

    def take(cursor: Any, who: As) -> None:
        person = str(world.cast.people[who.person].pk) if who.person else ""
        if who.role:
            database = cursor.connection.get_dsn_parameters()["dbname"]
            cursor.execute(f'SET LOCAL ROLE "{role_name(who.role, database)}"')
        cursor.execute("SELECT set_config('ascolto.actor', %s, true)", [person])

    return run


def ids(world: World) -> dict[str, Any]:
    people = {name: person.pk for name, person in world.cast.people.items()}
    engagements = {f"{name}_engagement": one.pk for name, one in world.cast.engagements.items()}
    here, there = world.nivalta, world.brontola
    return (
        people
        | engagements
        | {
            "thread": here.open.pk,
            "closed": here.closed.pk,
            "elsewhere": there.open.pk,
            "direct": here.direct.pk,
            "message": here.message.pk,
            "other_message": there.message.pk,
            "closed_message": here.closed.pk,
            "account": here.account.pk,
            "draft": here.draft.pk,
            "queued": here.reply.pk,
            "advice": here.advice.pk,
            "brand": here.brand.pk,
            "other_brand": there.brand.pk,
        }
    )


def reply_by(author: str, state: str = "draft", thread: str = "closed") -> str:
    return f"""INSERT INTO conversations_reply (thread_id, parent_id, account_id, author_id, elsewhere, text, state, reason,
        seen_version, client_token, key, attempts, looks, remote_id, remote_url, created_at, changed_at)
        SELECT {{{thread}}}, {{message}}, {{account}}, {{{author}}}, false, 'x', '{state}', '', 1, gen_random_uuid(),
        gen_random_uuid(), 0, 0, '', '', now(), now()"""


def advice_by(author: str, engagement: str = "sandro", state: str = "open", **given: str) -> str:
    values = {"thread": "thread", "message": "message", "decided": "NULL", "reason": ""} | given
    return f"""INSERT INTO conversations_advice (thread_id, message_id, engagement_id, author_id, quote, kinds, matters, text,
        state, created_at, reason, decided_by_id, decided_at)
        VALUES ({{{values["thread"]}}}, {{{values["message"]}}}, {{{engagement}_engagement}}, {{{author}}}, '', '{{{{tone}}}}',
        'before', 'x', '{state}', now(), '{values["reason"]}', {values["decided"]}, NULL)"""


def note_by(author: str) -> str:
    return (
        f"INSERT INTO conversations_note (thread_id, author_id, text, at) VALUES ({{thread}}, {{{author}}}, 'x', now())"
    )


def audit_by(author: str, action: str = "advice.given") -> str:
    return f"""INSERT INTO accounts_auditentry (at, actor_id, action, object_type, meta)
        VALUES (now(), {author}, '{action}', '', '{{{{}}}}')"""


def state(which: str, new: str, more: str = "") -> str:
    return f"UPDATE conversations_reply SET state = '{new}'{more} WHERE id = {{{which}}}"


DECIDED = (
    "UPDATE conversations_advice SET state = 'taken', decided_at = now(), decided_by_id = {{{}}} WHERE id = {{advice}}"
)
THREAD = "UPDATE conversations_thread SET {} WHERE id = {{thread}}"
WORDS = "UPDATE conversations_reply SET text = 'other words' WHERE id = {{{}}}"
SEEN = "SELECT {} FROM {}"

CASES: list[tuple[str, As, str, As | None, str]] = [
    # ── who speaks ──
    ("a consultant writes a reply", SANDRO, reply_by("sandro"), MARTA, reply_by("marta")),
    ("a consultant writes as a colleague", SANDRO, reply_by("marta"), MARTA, reply_by("marta")),
    ("a consultant under the team's role", FORGED, reply_by("sandro"), TEO, reply_by("teo")),
    ("a consultant under the team's role, as a colleague", FORGED, reply_by("marta"), MARTA, reply_by("marta")),
    ("one colleague writes as another", TEO, reply_by("marta"), TEO, reply_by("teo")),
    ("nobody writes", UNSIGNED, reply_by("marta"), MARTA, reply_by("marta")),
    ("an inactive colleague writes", ZOE, reply_by("zoe"), MARTA, reply_by("marta")),
    ("the owner writes in nobody's name", OWNER, reply_by("marta"), MARTA, reply_by("marta")),
    ("a reply begins as queued", MARTA, reply_by("marta", "queued"), MARTA, reply_by("marta", "draft")),
    ("the sender writes a reply", SENDER, reply_by("marta"), MARTA, reply_by("marta")),
    ("the poller writes a reply", POLLER, reply_by("marta"), MARTA, reply_by("marta")),
    ("web writes a reply without a role", WEB, reply_by("marta"), MARTA, reply_by("marta")),
    # ── words and moves of replies ──
    ("words change after queued", MARTA, WORDS.format("queued"), MARTA, WORDS.format("draft")),
    ("the words that leave change after queued", MARTA, "UPDATE conversations_reply SET payload = '{{}}' WHERE id = {queued}",
     MARTA, "UPDATE conversations_reply SET payload = '{{}}' WHERE id = {draft}"),
    ("another's draft changes", TEO, WORDS.format("draft"), MARTA, WORDS.format("draft")),
    ("the sender changes a draft", SENDER, WORDS.format("draft"), MARTA, WORDS.format("draft")),
    ("the author changes", MARTA, "UPDATE conversations_reply SET author_id = {teo} WHERE id = {draft}", None, ""),
    ("the author becomes a consultant", OWNER, "UPDATE conversations_reply SET author_id = {sandro} WHERE id = {draft}", None, ""),
    ("staff call a reply sent", MARTA, state("queued", "sent", ", sent_at = now(), remote_id = '1'"), None, ""),
    ("staff begin to send", MARTA, state("queued", "sending"), SENDER, state("queued", "sending")),
    ("the sender queues a draft", SENDER, state("draft", "queued"), MARTA, state("draft", "queued")),
    ("another's draft is sent", TEO, state("draft", "queued"), MARTA, state("draft", "queued")),
    ("from queued to failed", SENDER, state("queued", "failed"), SENDER, state("queued", "held")),
    ("from draft to sent", MARTA, state("draft", "sent", ", sent_at = now(), remote_id = '1'"), MARTA, state("draft", "cancelled")),
    ("a consultant cancels", SANDRO, state("queued", "cancelled"), TEO, state("queued", "cancelled")),
    ("a reply is deleted", MARTA, "DELETE FROM conversations_reply WHERE id = {draft}", MARTA, state("draft", "cancelled")),
    ("the owner deletes a reply", OWNER, "DELETE FROM conversations_reply WHERE id = {draft}", None, ""),
    ("an approver is written in", MARTA, "UPDATE conversations_reply SET approver_id = {giulia} WHERE id = {queued}", None, ""),
    # ── threads ──
    ("a consultant assigns", SANDRO, THREAD.format("owner_id = {marta}"), MARTA, THREAD.format("owner_id = {marta}")),
    ("the poller assigns", POLLER, THREAD.format("owner_id = {marta}"), POLLER, THREAD.format("version = version + 1")),
    ("the sender assigns", SENDER, THREAD.format("owner_id = {marta}"), MARTA, THREAD.format("owner_id = {marta}")),
    ("a thread is given to a consultant", MARTA, THREAD.format("owner_id = {sandro}"), MARTA, THREAD.format("owner_id = {teo}")),
    ("an inactive colleague triages", ZOE, THREAD.format("version = 9"), MARTA, THREAD.format("version = 9")),
    ("the owner triages in nobody's name", OWNER, THREAD.format("version = 9"), MARTA, THREAD.format("version = 9")),
    ("a thread is deleted", MARTA, "DELETE FROM conversations_thread WHERE id = {thread}", None, ""),
    # ── advice ──
    ("advice in another's name", SANDRO, advice_by("bruno"), SANDRO, advice_by("sandro")),
    ("advice in a colleague's name", SANDRO, advice_by("marta"), SANDRO, advice_by("sandro")),
    ("advice for another agency", SANDRO, advice_by("sandro", "bruno"), BRUNO, advice_by("bruno", "bruno")),
    ("advice after the end", OLMO, advice_by("olmo", "olmo"), SANDRO, advice_by("sandro")),
    ("advice of an inactive consultant", NORA, advice_by("nora", "nora"), SANDRO, advice_by("sandro")),
    ("advice by nobody", NOBODY, advice_by("sandro"), SANDRO, advice_by("sandro")),
    ("advice at another brand", SANDRO, advice_by("sandro", thread="elsewhere", message="other_message"), SANDRO, advice_by("sandro")),
    ("advice on a direct message", SANDRO, advice_by("sandro", thread="direct"), SANDRO, advice_by("sandro")),
    ("advice on a message of another thread", SANDRO, advice_by("sandro", thread="closed"), SANDRO, advice_by("sandro")),
    ("advice that comes decided", SANDRO, advice_by("sandro", state="taken", decided="{marta}"), SANDRO, advice_by("sandro")),
    ("advice that comes with an answer", SANDRO, advice_by("sandro", reason="x"), SANDRO, advice_by("sandro")),
    ("staff advise", MARTA, advice_by("marta"), SANDRO, advice_by("sandro")),
    ("a consultant decides advice", SANDRO, DECIDED.format("sandro"), MARTA, DECIDED.format("marta")),
    ("a consultant under the team's role decides", FORGED, DECIDED.format("marta"), MARTA, DECIDED.format("marta")),
    ("one decides as another", TEO, DECIDED.format("marta"), TEO, DECIDED.format("teo")),
    ("staff rewrite advice", MARTA, "UPDATE conversations_advice SET text = 'x' WHERE id = {advice}", MARTA, DECIDED.format("marta")),
    ("a consultant rewrites advice", SANDRO, "UPDATE conversations_advice SET text = 'x' WHERE id = {advice}", None, ""),
    ("the poller decides advice", POLLER, "UPDATE conversations_advice SET state = 'declined' WHERE id = {advice}",
     POLLER, "UPDATE conversations_advice SET state = 'expired' WHERE id = {advice}"),
    # ── notes ──
    ("a note in another's name", TEO, note_by("marta"), MARTA, note_by("marta")),
    ("a consultant's note", SANDRO, note_by("sandro"), MARTA, note_by("marta")),
    ("the sender reads notes", SENDER, SEEN.format("*", "conversations_note"), MARTA, SEEN.format("*", "conversations_note")),
    ("the sender reads advice", SENDER, SEEN.format("*", "conversations_advice"), MARTA, SEEN.format("*", "conversations_advice")),
    ("the poller reads advice", POLLER, SEEN.format("text", "conversations_advice"), POLLER, SEEN.format("state", "conversations_advice")),
    # ── people ──
    ("a person's kind changes", OWNER, "UPDATE accounts_person SET kind = 'staff', role = 'manager' WHERE id = {sandro}", None, ""),
    ("a consultant becomes staff", OWNER, "INSERT INTO accounts_staff (person_id, kind) VALUES ({sandro}, 'staff')", None, ""),
    ("… as a consultant of the table", OWNER, "INSERT INTO accounts_staff (person_id, kind) VALUES ({sandro}, 'consultant')", None, ""),
    ("a colleague makes herself manager", MARTA, "UPDATE accounts_person SET role = 'manager' WHERE id = {marta}",
     MARTA, "UPDATE accounts_person SET theme = 'dark' WHERE id = {marta}"),
    ("a consultant makes the engagement longer", SANDRO, "UPDATE accounts_engagement SET ends_at = now() + interval '1 year'", None, ""),
    ("staff make the engagement longer", MARTA, "UPDATE accounts_engagement SET ends_at = now() + interval '1 year'", None, ""),
    ("a community manager edits a topic", MARTA, "UPDATE listening_topic SET name = 'x' WHERE brand_id = {brand}",
     GIULIA, "UPDATE listening_topic SET name = 'x' WHERE brand_id = {brand}"),
    ("staff join a brand", MARTA, "INSERT INTO accounts_membership (brand_id, staff_id) VALUES ({other_brand}, {marta})", None, ""),
    ("staff read passwords", MARTA, SEEN.format("password", "accounts_login"), WEB, SEEN.format("password", "accounts_login")),
    ("a consultant reads passwords", SANDRO, SEEN.format("*", "accounts_login"), WEB, SEEN.format("*", "accounts_login")),
    ("a consultant reads e-mail addresses", SANDRO, SEEN.format("email", "accounts_person"), SANDRO, SEEN.format("name", "accounts_person")),
    ("web makes somebody", WEB, "UPDATE accounts_login SET person_id = {ada}", WEB, "UPDATE accounts_login SET last_login = now()"),
    ("staff read sessions", MARTA, SEEN.format("*", "django_session"), WEB, SEEN.format("*", "django_session")),
    # ── what is not theirs to read ──
    ("web reads credentials", WEB, SEEN.format("*", "listening_credential"), SENDER, SEEN.format("*", "listening_credential")),
    ("staff read credentials", MARTA, SEEN.format("*", "listening_credential"), POLLER, SEEN.format("*", "listening_credential")),
    ("web replaces a credential", WEB, "UPDATE listening_credential SET cipher = ''", None, ""),
    ("web reads conversations", WEB, SEEN.format("*", "conversations_thread"), MARTA, SEEN.format("*", "conversations_thread")),
    ("web reads items", WEB, SEEN.format("*", "listening_item"), MARTA, SEEN.format("*", "listening_item")),
    ("a consultant reads notes", SANDRO, SEEN.format("count(*)", "conversations_note"), MARTA, SEEN.format("count(*)", "conversations_note")),
    ("a consultant reads events", SANDRO, SEEN.format("*", "conversations_event"), MARTA, SEEN.format("*", "conversations_event")),
    ("a consultant reads the audit", SANDRO, SEEN.format("action", "accounts_auditentry"), MARTA, SEEN.format("action", "accounts_auditentry")),
    ("a consultant counts open advice", SANDRO, SEEN.format("open_advice", "conversations_thread"), SANDRO, SEEN.format("subject", "conversations_thread")),
    ("a consultant reads who wrote", SANDRO, SEEN.format("author_id", "conversations_reply"), SANDRO, SEEN.format("text", "conversations_reply")),
    ("a consultant asks what is leaving", SANDRO, "SELECT ascolto_outbox_waiting()", WEB, "SELECT ascolto_outbox_waiting()"),
    # ── the audit trail ──
    ("an entry in another's name", MARTA, audit_by("{teo}", "x"), MARTA, audit_by("{marta}", "x")),
    ("an entry in nobody's name", MARTA, audit_by("NULL", "x"), SENDER, audit_by("NULL", "x")),
    ("a consultant's entry of a decision", SANDRO, audit_by("{sandro}", "reply.queued"), SANDRO, audit_by("{sandro}")),
    ("staff change an entry", MARTA, "UPDATE accounts_auditentry SET action = 'x'", None, ""),
    ("the owner changes an entry", OWNER, "UPDATE accounts_auditentry SET action = 'x'", None, ""),
    ("the owner deletes an entry", OWNER, "DELETE FROM accounts_auditentry", None, ""),
    ("the owner empties the trail", OWNER, "TRUNCATE accounts_auditentry", None, ""),
    ("staff move the head", MARTA, "UPDATE accounts_audithead SET seq = 0", None, ""),
    # ── round the guards ──
    ("a role is taken", SENDER, "SET ROLE \"{database}_staff\"", None, ""),
    ("web becomes the sender", WEB, "SET ROLE \"{database}_sender\"", WEB, "SET ROLE \"{database}_staff\""),
    ("web becomes the owner", WEB, "SET ROLE {owner}", None, ""),
    ("triggers are switched off", MARTA, "SET session_replication_role = 'replica'", None, ""),
    ("a trigger is dropped", WEB, "ALTER TABLE conversations_reply DISABLE TRIGGER ALL", None, ""),
    ("a temporary table in place of ours", SANDRO, "CREATE TEMPORARY TABLE accounts_person (id bigint, kind text, active boolean)", None, ""),
    ("… by web itself", WEB, "CREATE TEMPORARY TABLE accounts_person (id bigint, kind text, active boolean)", None, ""),
    ("a function of one's own", SANDRO, "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", None, ""),
    ("a schema of one's own", SANDRO, "CREATE SCHEMA mine", None, ""),
    ("a number is drawn from a sequence", SANDRO, "SELECT nextval('conversations_advice_id_seq')", None, ""),
    ("files are read", WEB, "SELECT pg_read_file('/etc/passwd')", None, ""),
    ("programs are run", WEB, "COPY (SELECT 1) TO PROGRAM 'true'", None, ""),
]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_every_role_exists_and_none_is_a_superuser(sql: Any) -> None:
    rows = sql(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE current_database() || '%%' AND (rolsuper OR rolbypassrls)"
    )
    assert rows == []


@pytest.mark.parametrize(
    ("who", "statement", "twin", "allowed"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_is_refused(who: As, statement: str, twin: As | None, allowed: str, run: Any, connected: Any) -> None:
    names = connected("owner").info
    statement, allowed = (
        text.replace("{database}", names.dbname).replace("{owner}", names.user) for text in (statement, allowed)
    )
    with pytest.raises(REFUSED):
        run(who, statement)
    if twin:
        run(twin, allowed)


def test_there_are_enough() -> None:
    assert len(CASES) >= 40
    assert len({case[0] for case in CASES}) == len(CASES)


# ── generated: every table ──────────────────────────────────────────────────────────────────────────────────────────

WRITABLE = {
    "consultant": {("INSERT", "conversations_advice"), ("INSERT", "accounts_auditentry"), ("UPDATE", "accounts_person")},
    "web": {
        *product(("INSERT", "UPDATE", "DELETE"), ("django_session",)),
        *product(("INSERT", "UPDATE", "DELETE"), ("axes_accessattempt", "axes_accesslog", "axes_accessfailurelog",
                                                  "axes_accessattemptexpiration")),
        ("UPDATE", "accounts_login"),
        ("INSERT", "accounts_auditentry"),
    },
}  # fmt: skip
"""All that may be written by a consultant's role, and by web before it takes one."""


def tables(owner: Any) -> list[str]:
    with owner, owner.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize("role", WRITABLE)
def test_nothing_else_can_be_written(role: str, world: World, connected: Any) -> None:
    """INSERT, UPDATE, DELETE and TRUNCATE on every table there is, column by column."""
    owner = connected("owner")
    name = role_name(role, owner.get_dsn_parameters()["dbname"])
    allowed = set()
    every = tables(owner)
    with owner, owner.cursor() as cursor:
        for table, right in product(every, ("INSERT", "UPDATE", "DELETE", "TRUNCATE")):
            by_column = (
                f"OR has_any_column_privilege('{name}', '{table}', '{right}')" if right in ("INSERT", "UPDATE") else ""
            )
            cursor.execute(f"SELECT has_table_privilege('{name}', '{table}', '{right}') {by_column}")
            if cursor.fetchone()[0]:
                allowed.add((right, table))
    assert allowed == WRITABLE[role]


def test_a_consultant_fails_to_write_every_table(world: World, connected: Any, run: Any) -> None:
    """Not by asking for rights, but by trying."""
    for table in tables(connected("owner")):
        for statement in (f'DELETE FROM "{table}"', f'TRUNCATE "{table}"', f'INSERT INTO "{table}" DEFAULT VALUES'):
            with pytest.raises((*REFUSED, errors.NotNullViolation)):
                run(SANDRO, statement)


def test_preferences_of_others_do_not_change(run: Any) -> None:
    assert run(SANDRO, "UPDATE accounts_person SET theme = 'dark'") == [(1,)]
    assert run(MARTA, "UPDATE accounts_person SET theme = 'dark'") == [(1,)]
    assert run(ZOE, "UPDATE accounts_person SET theme = 'dark'") == [(0,)]
    assert run(NORA, "UPDATE accounts_person SET theme = 'dark'") == [(0,)]


@pytest.mark.parametrize("who", [OLMO, NORA, NOBODY], ids=lambda who: who.person)
def test_without_an_engagement_there_is_nothing(who: As, run: Any) -> None:
    for table, column in (
        ("conversations_thread", "id"), ("conversations_message", "id"), ("listening_item", "id"), ("conversations_reply", "id"),
        ("conversations_advice", "id"), ("accounts_brand", "id"), ("accounts_engagement", "id"), ("accounts_agency", "id"),
        ("conversations_contact", "id"), ("conversations_label", "id"), ("listening_account", "id"), ("accounts_staff", "person_id"),
    ):  # fmt: skip
        assert run(who, f"SELECT {column} FROM {table}") == [], table
        assert run(SANDRO, f"SELECT {column} FROM {table}") != [] or table == "conversations_reply", table


def test_rows_of_others_are_not_there(run: Any, world: World) -> None:
    """Other brands, direct conversations, replies that are not out, other agencies and their advice."""
    here, people = world.nivalta, world.cast.people
    assert run(SANDRO, "SELECT DISTINCT brand_id, private FROM conversations_thread") == [(here.brand.pk, False)]
    assert run(SANDRO, "SELECT DISTINCT visibility FROM listening_item") == [("public",)]
    assert run(SANDRO, "SELECT id FROM conversations_reply") == []
    assert run(SANDRO, "SELECT DISTINCT author_id FROM conversations_advice") == [(people["sandro"].pk,)]
    assert run(SANDRO, "SELECT name FROM accounts_agency") == [("Studio Controvento",)]
    known = {"sandro", "giulia", "ada", "marta", "teo", "zoe"}
    assert {row[0] for row in run(SANDRO, "SELECT id FROM accounts_person")} == {people[name].pk for name in known}
    assert len(run(MARTA, "SELECT id FROM accounts_person")) == len(people)


def test_a_temporary_table_is_not_taken_for_ours(connected: Any, world: World) -> None:
    """Even where temporary tables may be made, as the owner may: the guards read the real one."""
    owner = connected("owner")
    try:
        with owner.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE accounts_person (id bigint, kind text, active boolean)")
            cursor.execute("INSERT INTO pg_temp.accounts_person VALUES (%s, 'staff', true)", [world.cast.sandro.pk])
            cursor.execute("SELECT set_config('ascolto.actor', %s, true)", [str(world.cast.sandro.pk)])
            cursor.execute("SELECT ascolto_actor_is_staff()")
            assert cursor.fetchone() == (False,)
    finally:
        owner.rollback()


def test_every_guard_has_a_safe_search_path(connected: Any) -> None:
    with connected("owner") as owner, owner.cursor() as cursor:
        cursor.execute(
            """SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'ascolto%%'
               AND (prosecdef OR prorettype = 'trigger'::regtype)
               AND NOT coalesce(proconfig, '{}') @> '{"search_path=public, pg_temp"}'"""
        )
        assert cursor.fetchall() == []


def test_what_web_can_do_is_known(run: Any) -> None:
    """Web takes the team's role by itself, and can leave it again: whoever runs SQL as web is not held by roles, which is
    why web reads no credential and reaches no network. docs/security.md says so."""
    assert run(WEB, "RESET ROLE") is not None
    assert run(MARTA, "RESET ROLE") is not None
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(MARTA, "SELECT 1 FROM (SELECT set_config('role', 'none', true)) x, listening_credential")


def test_a_second_colleague_approves(connected: Any, world: World, run: Any) -> None:
    """Approval can't be skipped, nor given by the author, nor signed for another."""
    asked = "UPDATE conversations_reply SET state = 'awaiting_approval' WHERE id = {draft};"
    approved = "UPDATE conversations_reply SET state = 'queued', approver_id = {} WHERE id = {{draft}}"
    for who, approver in ((MARTA, "NULL"), (MARTA, "{marta}"), (MARTA, "{giulia}"), (GIULIA, "{teo}")):
        as_who = f"SELECT set_config('ascolto.actor', '{{{who.person}}}', true);"
        with pytest.raises(REFUSED):
            run(MARTA, asked + as_who + approved.format(approver))
    by_giulia = "SELECT set_config('ascolto.actor', '{giulia}', true);"
    run(MARTA, asked + by_giulia + approved.format("{giulia}"))
