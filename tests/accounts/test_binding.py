"""The one way into the database: a transaction, under a role, in a name. Nothing of it outlives the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import ProgrammingError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone

from accounts.authority import Can, NotAllowed
from accounts.binding import bound
from accounts.doors import door
from accounts.models import AuditEntry
from conversations import notes
from conversations.models import Note, Thread
from tests.cast import Cast, thread_of

pytestmark = pytest.mark.django_db(transaction=True)


def _write(request: HttpRequest) -> None:
    notes.add_note(Thread.objects.get(), request.person, "Half done", timezone.now())  # type: ignore[attr-defined]


def raises(request: HttpRequest) -> HttpResponse:
    _write(request)
    raise RuntimeError


def is_not_there(request: HttpRequest) -> HttpResponse:
    _write(request)
    raise Http404


def answers(request: HttpRequest, status: int) -> HttpResponse:
    _write(request)
    return HttpResponse(status=status)


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse("|".join(now_bound()))


urlpatterns = [
    door("raises/", raises, can=Can.WRITE_NOTES, name="raises"),
    door("gone/", is_not_there, can=Can.WRITE_NOTES, name="gone"),
    door("answers/<int:status>/", answers, can=Can.WRITE_NOTES, name="answers"),
    door("login/", who, can=Can.BE_ANYONE, name="log-in"),
    door("me/", who, can=Can.BE_THEMSELVES, name="me"),
]
handler404 = "accounts.views.sessions.not_found"


def now_bound() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, coalesce(current_setting('ascolto.actor', true), '')")
        role, actor = cursor.fetchone()
    return role.rpartition("_")[2], actor


@pytest.fixture
def marta(cast: Cast, signed_in: Callable[[str], Client], settings: Any) -> Client:
    thread_of(cast.nivalta)
    settings.ROOT_URLCONF = __name__
    client = signed_in("marta")
    client.raise_request_exception = False
    return client


def left_behind() -> int:
    return Note.objects.count() + AuditEntry.objects.filter(action="note.added").count()


@pytest.mark.parametrize("address", ["/raises/", "/gone/", "/answers/500/", "/answers/503/"])
def test_a_view_that_fails_leaves_nothing_behind(address: str, marta: Client) -> None:
    assert marta.get(address).status_code in (404, 500, 503)
    assert left_behind() == 0


@pytest.mark.parametrize("status", [200, 303, 422, 409])
def test_a_view_that_answers_keeps_what_it_did(status: int, marta: Client) -> None:
    marta.get(f"/answers/{status}/")
    assert left_behind() == 2


def test_nothing_of_one_request_reaches_the_next(marta: Client, cast: Cast, signed_in: Callable[[str], Client]) -> None:
    """All on one connection, which CONN_MAX_AGE keeps; after pages that failed, too."""
    kept = connection.connection
    outside = now_bound()
    for address in ("/me/", "/raises/", "/gone/"):
        marta.get(address)
        assert now_bound() == (outside[0], "")
        assert Client().get("/login/").content.decode() == "web|"
    assert marta.get("/me/").content.decode() == f"staff|{cast.marta.pk}"
    assert signed_in("sandro").get("/me/").content.decode() == f"consultant|{cast.sandro.pk}"
    assert connection.connection is kept


def test_what_needs_nobody_runs_as_nobody(marta: Client) -> None:
    assert marta.get("/login/").content.decode() == "web|"


def test_a_block_inside_a_block_gives_back_what_it_found(cast: Cast) -> None:
    with bound("staff", cast.marta.pk):
        with bound("consultant", cast.sandro.pk):
            assert now_bound() == ("consultant", str(cast.sandro.pk))
        assert now_bound() == ("staff", str(cast.marta.pk))
        with pytest.raises(ProgrammingError), bound("sender"):
            connection.cursor().execute("SELECT * FROM conversations_note")
        assert now_bound() == ("staff", str(cast.marta.pk))
        with pytest.raises(RuntimeError), bound("poller"):
            raise RuntimeError
        assert now_bound() == ("staff", str(cast.marta.pk))
    assert now_bound()[1] == ""


def test_without_a_name_nobody_writes(cast: Cast) -> None:
    """Not even the owner of the tables, through our own functions."""
    thread = thread_of(cast.nivalta)
    with pytest.raises(ProgrammingError, match="signed"):
        notes.add_note(thread, cast.marta, "Unsigned", timezone.now())
    assert left_behind() == 0


def test_rules_ask_the_table_themselves(cast: Cast) -> None:
    """A forgotten view would not let a consultant, or somebody who has left, through."""
    thread = thread_of(cast.nivalta)
    cast.teo.active = False
    for person in (cast.sandro, cast.teo):
        with pytest.raises(NotAllowed), bound("staff", person.pk):
            notes.add_note(thread, person, "x", timezone.now())


def test_a_url_without_a_sign_does_not_start(settings: Any) -> None:
    from accounts.checks import every_url_has_a_sign, patterns

    unsigned = path("bare/", who, name="bare")
    assert every_url_has_a_sign() == []
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [*patterns(), unsigned]})
    assert [error.id for error in every_url_has_a_sign()] == ["ascolto.E001"]
