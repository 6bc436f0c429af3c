"""Signing in and out, what every answer carries, the live poll, and hostile words."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import live
from accounts.models import Engagement, Login, Person
from tests.cast import Cast, thread_of
from tests.listening.corpora import corpus

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[str], Client]
PASSWORD = "quite long and not in any list"


@pytest.fixture
def marta(cast: Cast) -> dict[str, str]:
    """What Marta types."""
    login = Login.objects.get(person=cast.marta)
    login.set_password(PASSWORD)
    login.save()
    return {"username": login.email, "password": PASSWORD}


# ── in ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_log_in_changes_the_session_s_key_and_log_out_ends_it(marta: dict[str, str]) -> None:
    client = Client()
    client.cookies["session"] = "a" * 32  # planted by somebody else
    assert client.post("/login/", marta).status_code == 302
    key = client.cookies["session"].value
    assert key != "a" * 32
    assert client.get("/me/").status_code == 200
    assert client.post("/logout/").status_code == 303
    again = Client()
    again.cookies["session"] = key
    assert again.get("/me/")["Location"].startswith("/login/")


def test_cookies_are_not_for_scripts(marta: dict[str, str]) -> None:
    client = Client()
    client.post("/login/", marta)
    assert client.cookies["session"]["httponly"]
    assert client.cookies["session"]["samesite"] == "Lax"


def test_five_wrong_attempts_and_a_pause(marta: dict[str, str]) -> None:
    client = Client()
    answers = [client.post("/login/", marta | {"password": "wrong"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    assert b"Too many attempts." in answers[-1].content
    assert client.post("/login/", marta).status_code == 429, "the right password does not help in the pause"


def test_attempts_are_counted_for_unknown_people_and_odd_names_too(cast: Cast) -> None:
    known = Client().post("/login/", {"username": cast.marta.email, "password": "x"})
    unknown = Client().post("/login/", {"username": "nobody@example.org", "password": "x"})
    assert (known.status_code, unknown.status_code) == (200, 200)
    for name in ("a\x00b@example.org", "a" * 5000, "'; DROP TABLE accounts_login; --", "\ud7ff@\uffff", "%00"):
        assert Client().post("/login/", {"username": name, "password": "x"}).status_code in (200, 429)


def test_demo_logins_work_in_the_demo_alone(cast: Cast, settings: Any) -> None:
    person = Person.objects.create(email="manager@demo.example", name="M", kind="staff", role="manager")
    login = Login(person=person, email=person.email)
    login.set_password("ascolto-demo")
    login.save()
    typed = {"username": "Manager@DEMO.example", "password": "ascolto-demo"}
    client = Client()
    assert client.post("/login/", typed).status_code == 302
    settings.TESTING = False
    assert Client().post("/login/", typed).status_code == 200
    assert client.get("/me/")["Location"].startswith("/login/"), "a session of the demo ends with it"
    settings.DEMO = True
    assert Client().post("/login/", typed).status_code == 302


def test_whoever_is_switched_off_is_out_at_the_next_request(cast: Cast, marta: dict[str, str]) -> None:
    client = Client()
    client.post("/login/", marta)
    assert client.get("/me/").status_code == 200
    Person.objects.filter(pk=cast.marta.pk).update(active=False)
    assert client.get("/me/")["Location"].startswith("/login/")
    assert client.post("/me/", {"zone": "Europe/Rome"})["Location"] == "/login/?next=/"
    assert Client().post("/login/", marta).status_code == 200


def test_next_leads_nowhere_else(marta: dict[str, str]) -> None:
    client = Client()
    assert client.post("/login/?next=/", marta | {"next": "https://evil.example/"})["Location"] == "/"
    hostile = [*corpus("web-payloads/open-redirect.json"), "//evil.example", "https:evil.example", "javascript:x"]
    for target in [*hostile, "/login/", ""]:
        location = client.get("/login/", {"next": target})["Location"]
        assert location.startswith("/"), target
        assert not location.startswith(("//", "/\\", "/login")), target
    assert client.get("/login/", {"next": "/me/"})["Location"] == "/me/"


def test_forms_need_their_token(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in("marta")
    client.handler.enforce_csrf_checks = True
    thread = thread_of(cast.nivalta)
    for address in ("/me/", "/logout/", reverse("thread-note", args=["nivalta", "all", thread.pk])):
        answer = client.post(address, {"text": "x"})
        assert (answer.status_code, b"too old to send" in answer.content) == (403, True)
    assert not thread.notes.exists()


# ── every answer ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_answer_carries_its_headers(cast: Cast, signed_in: SignIn) -> None:
    marta, sandro = signed_in("marta"), signed_in("sandro")
    strict = Client(enforce_csrf_checks=True)
    marta.raise_request_exception = False
    answers = {
        200: marta.get("/me/"),
        204: marta.get("/live/", {"stamp": live.sign(marta.cookies["session"].value, cast.nivalta.pk, 9e9)}),
        302: marta.get("/"),
        303: marta.post("/logout/"),
        400: Client(headers={"host": "evil.example"}).get("/login/"),
        403: strict.post("/login/", {}),
        404: sandro.get("/b/nivalta/inbox/all/"),
        405: sandro.put("/me/"),
        503: Client().get("/readyz"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in answer["Permissions-Policy"]
        assert answer["Cache-Control"] == "no-store" or "no-cache" in answer["Cache-Control"], status


# ── home, preferences ───────────────────────────────────────────────────────────────────────────────────────────────


def test_home_leads_everybody_to_their_place(cast: Cast, signed_in: SignIn) -> None:
    assert signed_in("marta").get("/")["Location"] == "/b/nivalta/inbox/triage/"
    assert signed_in("ivo").get("/")["Location"] == "/b/brontola/inbox/triage/"
    assert signed_in("sandro").get("/")["Location"] == "/consult/nivalta/"
    cast.nivalta.archived_at = timezone.now()
    cast.nivalta.save()
    assert signed_in("sandro").get("/").status_code == 200
    assert signed_in("teo").get("/").status_code == 200, "without a brand there is a page that says so"


def test_preferences_are_kept_checked_and_used(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in("sandro")
    form = {"language": "it", "zone": "America/New_York", "theme": "dark"}
    assert client.post("/me/", form)["Location"] == "/me/?saved=1"
    page = client.get("/me/")
    assert (page["Content-Language"], b'data-theme="dark"' in page.content) == ("it", True)
    assert client.post("/me/", form | {"zone": "../etc/passwd"}).status_code == 422
    assert client.post("/me/", form | {"theme": "<script>"}).status_code == 422
    client.post("/me/", form | {"role": "manager", "kind": "staff", "email": "x@example.org", "active": ""})
    person = Person.objects.get(pk=cast.sandro.pk)
    assert (person.role, person.kind, person.email) == ("consultant", "consultant", "sandro@example.org")
    for back in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert back.encode() not in client.get("/me/", headers={"referer": back}).content


# ── the live poll ───────────────────────────────────────────────────────────────────────────────────────────────────


def polled(client: Client, token: str) -> int:
    return client.get("/live/", {"stamp": token}).status_code


def test_nothing_moved_is_answered_without_a_query(
    cast: Cast, signed_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = signed_in("sandro")
    token = live.sign(client.cookies["session"].value, cast.nivalta.pk, 9e9)
    with django_assert_num_queries(0):
        assert polled(client, token) == 204


def test_whatever_is_odd_goes_through_the_full_door(cast: Cast, signed_in: SignIn) -> None:
    client, other = signed_in("sandro"), signed_in("vera")
    key, soon = client.cookies["session"].value, 9e9
    token = live.sign(key, cast.nivalta.pk, soon)
    assert polled(other, token) == 200, "the token of another session"
    assert polled(Client(), token) == 302, "no session"
    assert polled(client, live.sign(key, cast.nivalta.pk, timezone.now().timestamp() - 1)) == 200, "the right has ended"
    for odd in ("", "x", token[:-1], token + "x", "\x00", "é" * 100, "a:b:c"):
        assert polled(client, odd) == 200
    live.store().flushdb()
    assert polled(client, token) == 200, "Redis was emptied"


def test_the_end_of_an_engagement_stops_an_open_page(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in("sandro")
    token = client.get("/consult/nivalta/").context["stamp"]
    assert polled(client, token) == 204
    engagement = cast.engagements["sandro"]
    engagement.ended_at = timezone.now()
    engagement.save()
    assert polled(client, token) == 404
    page = client.get("/consult/nivalta/")
    assert (page.status_code, b"ended on" in page.content) == (404, True)


def test_an_end_by_the_clock_stops_it_too(cast: Cast, signed_in: SignIn) -> None:
    Engagement.objects.update(ended_at=timezone.now() + timedelta(seconds=1.5))
    client = signed_in("sandro")
    token = client.get("/consult/nivalta/").context["stamp"]
    end = Engagement.objects.get(pk=cast.engagements["sandro"].pk).over_at
    assert live.unchanged(token, client.cookies["session"].value, end.timestamp() - 0.01)
    assert not live.unchanged(token, client.cookies["session"].value, end.timestamp())


@pytest.mark.parametrize("change", ["role", "active", "membership"])
def test_a_change_of_rights_moves_the_stamp(change: str, cast: Cast, signed_in: SignIn) -> None:
    client = signed_in("marta")
    token = live.sign(client.cookies["session"].value, cast.nivalta.pk, 9e9)
    if change == "membership":
        cast.nivalta.membership_set.get(staff_id=cast.marta.pk).delete()
    else:
        setattr(cast.marta, change, "manager" if change == "role" else False)
        cast.marta.save()
    assert polled(client, token) != 204


# ── hostile words ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_words_are_shown_as_they_were_written(cast: Cast, signed_in: SignIn) -> None:
    """As advice and as notes: kept whole, shown escaped, on both sides."""
    thread = thread_of(cast.nivalta)
    sandro, marta = signed_in("sandro"), signed_in("marta")
    place, team = (
        reverse("consult-thread", args=["nivalta", thread.pk]),
        reverse("thread", args=["nivalta", "all", thread.pk]),
    )
    form = {"message": thread.messages.get().pk, "kinds": "tone", "matters": "before"}
    payloads = corpus("xss-payloads/payloads.json")[::400][:12] + corpus("naughty-strings/strings.json")[::25]
    kept = []
    for words in [*payloads, "<b>\x00</b>", "</textarea><script>alert(1)</script>"]:
        answer = sandro.post(f"{place}advice/", form | {"text": words, "quote": words[:200]})
        assert answer.status_code == (303 if words.strip() else 422)
        noted = marta.post(f"{team}notes/", {"text": words})
        assert noted.status_code == answer.status_code
        kept += [words.replace("\x00", "\ufffd").strip()] if words.strip() else []
    assert list(thread.advice.order_by("pk").values_list("text", flat=True)) == kept
    assert list(thread.notes.order_by("pk").values_list("text", flat=True)) == kept
    for page in (sandro.get(place), marta.get(team)):
        shown = page.content.decode()
        assert page.status_code == 200
        assert "<script>alert" not in shown
        for words in kept:
            if "<" in words:
                assert words not in shown.replace("</article>", ""), words
        assert html.escape("</textarea><script>alert(1)</script>") in shown
