"""Every URL, with every method, for everybody: one table. A URL without a row fails, and so does a row without a URL.

Each line of the table names what is answered to ten people. A refusal has its twin in the same line: somebody who makes
the very same request, with the same object, and succeeds. Django is connected as `web`, as the web process is.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from accounts.checks import patterns
from tests.accounts.conftest import Place, World, undone

PEOPLE = ("nobody", "ada", "giulia", "marta", "ivo", "sandro", "vera", "tea", "olmo", "nora")
"""Nobody signed in; administrator; manager; community manager of Nivalta; of Brontola alone; consultant of Nivalta; of
Brontola, for another agency; of Nivalta, one minute before the end; one minute after it; an inactive one."""

CONSULTANTS = ("sandro", "vera", "tea", "olmo")

TABLE = """
                        nobody  ada giulia marta ivo  sandro vera tea  olmo nora
home            GET     log-in  302  302  302  302    302  302  302  200  log-in
log-in          GET     200     302  302  302  302    302  302  302  302  200
log-in          POST    200     302  302  302  302    302  302  302  302  200
log-out         POST    303     303  303  303  303    303  303  303  303  303
set-password    GET     200     200  200  200  200    200  200  200  200  200
set-password    POST    200     200  200  200  200    200  200  200  200  200
preferences     GET     log-in  200  200  200  200    200  200  200  200  log-in
preferences     POST    log-in  303  303  303  303    303  303  303  303  log-in
healthz         GET     200     200  200  200  200    200  200  200  200  200
readyz          GET     503     503  503  503  503    503  503  503  503  503
live            GET     log-in  200  200  200  200    200  200  200  404  log-in
inbox           GET     log-in  200  200  200  404    404  404  404  404  log-in
thread          GET     log-in  200  200  200  404    404  404  404  404  log-in
thread-assign   POST    log-in  303  303  303  404    404  404  404  404  log-in
thread-label    POST    log-in  303  303  303  404    404  404  404  404  log-in
thread-snooze   POST    log-in  303  303  303  404    404  404  404  404  log-in
thread-close    POST    log-in  303  303  303  404    404  404  404  404  log-in
thread-reopen   POST    log-in  303  303  303  404    404  404  404  404  log-in
thread-undo     POST    log-in  409  409  303  404    404  404  404  404  log-in
thread-draft    POST    log-in  200  200  200  404    404  404  404  404  log-in
thread-reply    POST    log-in  303  303  303  404    404  404  404  404  log-in
reply-undo      POST    log-in  303  303  303  404    404  404  404  404  log-in
reply-decide    POST    log-in  303  303  303  404    404  404  404  404  log-in
thread-answered POST    log-in  303  303  303  404    404  404  404  404  log-in
thread-note     POST    log-in  303  303  303  404    404  404  404  404  log-in
advice-decide   POST    log-in  303  303  303  404    404  404  404  404  log-in
reports         GET     log-in  200  200  200  404    404  404  404  404  log-in
report-csv      GET     log-in  200  200  200  404    404  404  404  404  log-in
report-list     GET     log-in  200  200  200  404    404  404  404  404  log-in
sources         GET     log-in  200  200  200  404    404  404  404  404  log-in
source          GET     log-in  200  200  200  404    404  404  404  404  log-in
topic           GET     log-in  200  200  403  403    404  404  404  404  log-in
topic           POST    log-in  303  303  403  403    404  404  404  404  log-in
topic-new       GET     log-in  200  200  403  403    404  404  404  404  log-in
topic-new       POST    log-in  303  303  403  403    404  404  404  404  log-in
consult-threads GET     log-in  403  403  403  403    200  404  200  404  log-in
consult-thread  GET     log-in  403  403  403  403    200  404  200  404  log-in
consult-advise  POST    log-in  403  403  403  403    303  404  303  404  log-in
"""
ROWS = {(row[0], row[1]): dict(zip(PEOPLE, row[2:], strict=True)) for row in map(str.split, TABLE.splitlines()[2:])}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
OF_NOBODY = ("log-in", "log-out", "set-password", "healthz", "readyz")
"""URLs that need no person."""
OF_ONESELF = (*OF_NOBODY, "home", "preferences", "live")
"""URLs that name no object."""
OF_MANAGERS = ("topic", "topic-new")
COUNTERPART = {"marta": "ivo", "ivo": "marta", "sandro": "vera", "vera": "sandro", "tea": "vera", "olmo": "olmo"}
"""At Brontola others are at home. Tea, of Nivalta alone, is a stranger there; Olmo is one everywhere."""


@pytest.fixture(scope="module")
def clients(world: World, as_web: Any) -> Iterator[dict[str, Client]]:
    """A browser for each of the people."""
    found = {"nobody": Client()}
    for name in PEOPLE[1:]:
        found[name] = Client()
        found[name].force_login(world.cast.people[name].login, backend="accounts.signing_in.Backend")
    with as_web():
        yield found


def arguments(name: str, place: Place) -> dict[str, Any]:
    """The object that a URL's row is about."""
    if name in OF_ONESELF:
        return {"uidb64": "MQ", "token": "a-b"} if name == "set-password" else {}
    given: dict[str, Any] = {"brand": place.brand.slug}
    thread = {"thread-reopen": place.closed, "reply-undo": place.leaving, "reply-decide": place.leaving}
    if name.startswith(("thread", "reply", "advice")):
        given |= {"queue": "all", "pk": thread.get(name, place.open).pk}
    elif name in ("consult-thread", "consult-advise"):
        given |= {"pk": place.open.pk}
    elif name == "source":
        given |= {"pk": place.source.pk}
    elif name == "topic":
        given |= {"pk": place.topic.pk}
    elif name == "inbox":
        given |= {"queue": "triage"}
    own = {"thread-undo": ("event_id", place.event), "advice-decide": ("advice_id", place.advice)}
    own |= dict.fromkeys(("reply-undo", "reply-decide"), ("reply_id", place.reply))
    if name in own:
        key, thing = own[name]
        given[key] = thing.pk
    return given


def body(name: str, place: Place) -> dict[str, Any]:
    """A form that is accepted, so that nothing but a right is missing where the answer is no."""
    forms: dict[str, dict[str, Any]] = {
        "preferences": {"language": "it", "zone": "Europe/Rome", "theme": "dark"},
        "thread-assign": {"owner": ""},
        "thread-label": {"label": place.label.pk, "on": "1"},
        "thread-snooze": {"until": "week"},
        "thread-close": {"reason": "no_reply"},
        "thread-draft": {"text": "We are sorry"},
        "thread-reply": {"text": "We are sorry", "version": place.open.version, "client_token": uuid.uuid4()},
        "reply-decide": {"decision": "cancel"},
        "thread-answered": {"url": "https://elsewhere.example/1", "text": "There"},
        "thread-note": {"text": "Mind the tone"},
        "advice-decide": {"decision": "taken"},
        "topic": {"name": "Boots", "any_of": "boots\nsoles"},
        "topic-new": {"name": "Laces", "any_of": "laces"},
        "report-list": {"of": "waiting"},
        "consult-advise": {
            "message": place.message.pk,
            "kinds": ["tone"],
            "text": "Shorter",
            "matters": "before",
            "quote": "x",
        },
    }
    return forms.get(name, {})


def ask(client: Client, method: str, name: str, place: Place, other: Place | None = None) -> Any:
    """One request, of which nothing stays. `other`: the place whose objects are named under this brand's address."""
    given = arguments(name, place)
    if other:
        given |= {key: value for key, value in arguments(name, other).items() if key not in ("brand", "queue")}
    address, form = reverse(name, kwargs=given), body(name, other or place)
    kept = deepcopy(client.cookies)
    with undone():
        if method in ("GET", "HEAD", "POST"):
            response = getattr(client, method.lower())(address, form)
        else:
            encoded = urlencode(form, doseq=True)
            response = client.generic(method, address, encoded, "application/x-www-form-urlencoded")
    client.cookies = kept
    return response


def told(response: Any) -> str:
    """What was answered: the status, or that the way leads to log-in."""
    to_log_in = response.status_code == 302 and response["Location"].startswith("/login/")
    return "log-in" if to_log_in else str(response.status_code)


def expected(name: str, method: str, person: str) -> str:
    """What the table says. For methods that a URL does not answer: whoever has the right to it is told so, before any
    object is looked for; the others hear what they always hear."""
    if method == "HEAD" and (name, "GET") in ROWS:
        method = "GET"
    if (name, method) in ROWS:
        return ROWS[name, method][person]
    if name not in OF_NOBODY and person in ("nobody", "nora"):
        return "log-in"
    if name in OF_MANAGERS and person in ("marta", "ivo"):
        return "403"
    if name not in OF_ONESELF and name.startswith("consult") != (person in CONSULTANTS):
        return "404" if person in CONSULTANTS else "403"
    return "405"


@pytest.mark.django_db(transaction=True)  # tells pytest-django that this module needs the test database
def test_every_url_has_its_row() -> None:
    answered = {(p.name, method) for p in patterns() for method in vars(p.callback)["methods"] if method != "HEAD"}
    assert answered == set(ROWS)


@pytest.mark.parametrize("method", METHODS)
def test_everybody_is_answered_as_the_table_says(
    method: str, world: World, clients: dict[str, Client], connected: Any
) -> None:
    wrong = []
    for name in dict.fromkeys(name for name, _ in ROWS):
        last_minute(world, connected("owner"))
        for person, client in clients.items():
            answer = told(ask(client, method, name, world.nivalta))
            if answer != expected(name, method, person):
                wrong.append(f"{method} {name} as {person}: {answer}, not {expected(name, method, person)}")
    assert not wrong, "\n".join(wrong)


def last_minute(world: World, owner: Any) -> None:
    """Tea's engagement ends in a minute from now."""
    with owner, owner.cursor() as cursor:
        ends = "UPDATE accounts_engagement SET ends_at = now() + interval '1 minute' WHERE id = %s"
        cursor.execute(ends, [world.cast.engagements["tea"].pk])


def test_at_the_other_brand_others_are_at_home(world: World, clients: dict[str, Client]) -> None:
    wrong = []
    for (name, method), row in ROWS.items():
        if name in OF_ONESELF:
            continue
        for person, client in clients.items():
            answer = told(ask(client, method, name, world.brontola))
            right = row["nobody" if person == "nora" else COUNTERPART.get(person, person)]
            if person == "tea":
                right = "404"
            if answer != right:
                wrong.append(f"{method} {name} as {person}: {answer}, not {right}")
    assert not wrong, "\n".join(wrong)


def test_an_object_is_not_found_under_another_brand_s_address(world: World, clients: dict[str, Client]) -> None:
    """Not even by those who work for both brands."""
    for (name, method), row in ROWS.items():
        if not set(arguments(name, world.nivalta)) - {"brand", "queue", "uidb64", "token"}:
            continue
        for person, client in clients.items():
            answer = told(ask(client, method, name, world.nivalta, world.brontola))
            assert answer == ("404" if row[person][0] in "234" and row[person] != "403" else row[person]), (
                name,
                person,
            )


def test_a_part_is_not_found_under_another_thread(world: World, clients: dict[str, Client]) -> None:
    """Reply, advice and event belong to one conversation, and are not there under another of the same brand."""
    place = world.nivalta
    for name in ("reply-undo", "reply-decide", "advice-decide", "thread-undo"):
        given = arguments(name, place) | {"pk": place.closed.pk}
        with undone():
            assert clients["giulia"].post(reverse(name, kwargs=given), body(name, place)).status_code == 404


def test_a_direct_conversation_is_the_team_s_alone(world: World, clients: dict[str, Client]) -> None:
    direct = world.nivalta.direct
    assert clients["marta"].get(reverse("thread", args=["nivalta", "all", direct.pk])).status_code == 200
    assert clients["sandro"].get(reverse("consult-thread", args=["nivalta", direct.pk])).status_code == 404
    form = body("consult-advise", world.nivalta)
    with undone():
        address = reverse("consult-advise", args=["nivalta", direct.pk])
        assert clients["sandro"].post(address, form).status_code == 404


def test_every_refusal_has_a_twin() -> None:
    """In each row that refuses somebody, somebody else makes the same request and succeeds: a colleague, or, in the
    consultants' own area, a consultant."""
    for (name, _), row in ROWS.items():
        if {"404", "403"} & set(row.values()):
            may = ("sandro",) if name.startswith("consult") else ("giulia", "marta")
            assert any(row[person][0] in "23" for person in may), name


def test_after_the_end_one_page_says_so(world: World, clients: dict[str, Client]) -> None:
    """Whatever the address, and with nothing of the brand but its name and whom to write to."""
    for name in ("consult-threads", "consult-thread"):
        response = clients["olmo"].get(reverse(name, kwargs=arguments(name, world.nivalta)))
        assert (response.status_code, b"Your engagement for Nivalta ended" in response.content) == (404, True)
        assert b"mailto:giulia@example.org" in response.content
    assert b"ended" in clients["olmo"].get("/nowhere/").content
    assert b"ended" in clients["olmo"].get("/").content


def test_unknown_addresses_and_no_addresses(world: World, clients: dict[str, Client]) -> None:
    for client in clients.values():
        for address in ("/nowhere/", "/b/", "/consult/", "/admin/", "/b/nivalta/inbox/all/t/99999999999999999999/"):
            assert client.get(address).status_code in (404, 302)


@pytest.mark.parametrize("text", ["", "0", "-1", "9" * 30, "9" * 5000, "٣", "x", "\x00", "1;DROP", "²"])
def test_odd_numbers_are_answered_in_words(text: str, world: World, clients: dict[str, Client]) -> None:
    """Numbers in forms and addresses come as anything."""
    place = world.nivalta
    pages = {
        "sandro": [("consult-threads", {"after": text}), ("consult-thread", {"about": text})],
        "marta": [("inbox", {"after": text, "done": text}), ("thread", {"done": text})],
    }
    for person, requests in pages.items():
        for name, query in requests:
            assert clients[person].get(reverse(name, kwargs=arguments(name, place)), query).status_code == 200
    forms: dict[str, tuple[str, ...]] = {
        "consult-advise": ("message",),
        "thread-assign": ("owner",),
        "thread-label": ("label",),
        "thread-reply": ("version", "client_token", "account"),
        "thread-draft": ("account", "text"),
        "thread-answered": ("text", "url", "at"),
        "reply-decide": ("decision", "url"),
        "advice-decide": ("decision", "reason"),
        "topic-new": ("name", "any_of", "none_of"),
    }
    for name, fields in forms.items():
        client = clients["sandro" if name.startswith("consult") else "giulia"]
        for field in fields:
            with undone():
                response = client.post(reverse(name, kwargs=arguments(name, place)), body(name, place) | {field: text})
            assert response.status_code < 500, (name, field)
