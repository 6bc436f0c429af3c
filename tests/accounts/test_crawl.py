"""Consultants try every door while the database is watched; their pages are searched for what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.accounts.conftest import CANARY, Place, World
from tests.accounts.test_matrix import METHODS, ROWS, arguments, body, clients

__all__ = ["clients"]

OUTSIDE = ("django_session", "axes_accessattempt", "axes_accesslog", "axes_accessfailurelog", "accounts_login")
"""Sessions and throttles change with every log-in."""
WALKERS = ("sandro", "olmo")


def contents(owner: Any) -> dict[str, tuple[int, str]]:
    """Number of rows, and a checksum of all of them, for every table."""
    with owner, owner.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = {}
        for (table,) in cursor.fetchall():
            if table not in OUTSIDE:
                cursor.execute(f'SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM "{table}" t')
                found[table] = cursor.fetchone()
    return found


def changed(before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]) -> set[str]:
    return {table for table in after if after[table] != before[table]}


def walk(
    client: Client, places: tuple[Place, ...], left_out: tuple[str, ...], methods: tuple[str, ...] = METHODS
) -> Iterator[Any]:
    """Every URL with every method and a good form; what it does stays done."""
    for name in dict.fromkeys(name for name, _ in ROWS):
        for place in places:
            address, form = reverse(name, kwargs=arguments(name, place)), body(name, place)
            for method in methods:
                if (name, method) in ROWS and name in left_out:
                    continue
                yield client.generic(method, address, "&".join(f"{k}={_one(v)}" for k, v in form.items()), FORM)


FORM = "application/x-www-form-urlencoded"


def _one(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


@pytest.mark.django_db(transaction=True)
def test_the_list_of_tables_is_not_empty(sql: Any) -> None:
    assert sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")[0][0] > 30


@pytest.mark.parametrize("person", WALKERS)
def test_nothing_changes(person: str, world: World, clients: dict[str, Client], connected: Any) -> None:
    """With good forms, everywhere, by every method, but for one's own preferences and advice, and log-out."""
    before = contents(connected("owner"))
    left_out = ("log-out", "preferences", "consult-advise")
    answers = [r.status_code for r in walk(clients[person], (world.nivalta, world.brontola), left_out)]
    assert len(answers) > 300
    assert changed(before, contents(connected("owner"))) == set()


def test_advice_changes_advice_alone(world: World, clients: dict[str, Client], connected: Any) -> None:
    """One row of advice, its audit entry, and the thread's count of open advice, which the team sees."""
    owner = connected("owner")
    before = contents(owner)
    address = reverse("consult-advise", kwargs=arguments("consult-advise", world.nivalta))
    assert clients["sandro"].post(address, body("consult-advise", world.nivalta)).status_code == 303
    after = contents(owner)
    grown = {table for table in after if after[table][0] != before[table][0]}
    assert grown == {"conversations_advice", "accounts_auditentry"}
    assert changed(before, after) - grown == {"conversations_thread", "accounts_audithead"}
    with owner, owner.cursor() as cursor:
        cursor.execute("SELECT actor_id, action FROM accounts_auditentry ORDER BY id DESC LIMIT 1")
        assert cursor.fetchone() == (world.cast.sandro.pk, "advice.given")


def test_own_preferences_change_one_s_own_row(world: World, clients: dict[str, Client], connected: Any) -> None:
    owner = connected("owner")
    before = contents(owner)
    form = {"language": "it", "zone": "Europe/Rome", "theme": "dark"}
    assert clients["sandro"].post(reverse("preferences"), form).status_code == 303
    assert changed(before, contents(owner)) == {"accounts_person"}
    with owner, owner.cursor() as cursor:
        cursor.execute("SELECT id FROM accounts_person WHERE theme = 'dark'")
        assert cursor.fetchall() == [(world.cast.sandro.pk,)]


def test_pages_of_consultants_hold_no_trace_of_the_rest(world: World, clients: dict[str, Client]) -> None:
    """Notes, drafts, replies on their way, direct messages, other agencies' advice, other brands, tokens, addresses."""
    never = [*CANARY.values(), "Terza Riva", "Bruno", "Altra Voce", "Vera", "Ivo", "marta@", "giulia@", "ada@", "Teo's"]
    for person in ("sandro", "olmo"):
        places, left_out = (world.nivalta, world.brontola), ("log-out", "preferences", "log-in")
        for response in walk(clients[person], places, left_out, ("GET", "POST")):
            found = [word for word in never if word in response.content.decode()]
            if person == "olmo":  # told whom to write to, and nothing else
                found = [word for word in found if word != "giulia@"]
            assert found == [], (response.request["PATH_INFO"], person)


def test_the_team_sees_what_consultants_do_not(world: World, clients: dict[str, Client]) -> None:
    """The twin: the same words stand on the team's pages, so their absence elsewhere says something."""
    place = world.nivalta
    seen = "".join(
        clients["marta"].get(reverse("thread", args=["nivalta", "all", thread.pk])).content.decode()
        for thread in (place.open, place.leaving, place.direct)
    )
    for name in ("note", "draft", "leaving", "other-agency", "direct", "aside", "context-aside"):
        assert CANARY[name] in seen, name
    assert CANARY["token"] not in seen
