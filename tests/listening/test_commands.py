"""The operator's commands, as a beginner types them: real processes, the real database, a network over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import Person
from config import environment
from conversations import intake, outbox
from conversations.models import CalendarVersion, Reply, TargetVersion, Thread
from listening.models import Account, Credential, Source, Topic
from tests.cast import Cast, as_staff

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "nivalta-demo-token"
Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def manage(environment_of: Callable[[str], dict[str, str]], sandbox: Any, transactional_db: None) -> Manage:
    """Runs `manage.py` as a process that may reach the sandbox."""

    def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        told = environment_of("owner") | {"ASCOLTO_ALLOW_ADDRESSES": sandbox.url.removeprefix("http://")}
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command, cwd=environment.ROOT, env=told, input=given, capture_output=True, text=True, timeout=120
        )

    return run


def called(*words: str) -> str:
    """The same, within this process. Raises CommandError where the process would end with 1."""
    said = StringIO()
    call_command(*words, stdout=said)
    return said.getvalue()


def test_from_an_empty_database_to_a_thread_that_waits(manage: Manage, sandbox: Any) -> None:
    begun = manage(
        "setup", "--brand", "nivalta", "--name", "Nivalta", "--zone", "Europe/Rome", "--admin", "ada@example.org"
    )
    assert begun.returncode == 0, begun.stderr
    link = begun.stdout.strip().splitlines()[-1]
    assert Client().get("/" + link.split("/", 3)[3], follow=True).status_code == 200

    topic = manage("topic", "Boots", "--brand", "nivalta", "--any", "nivalta", "#nivalta", "--none", "jobs")
    assert (topic.returncode, topic.stdout) == (0, "Nivalta listens for the topic Boots.\n"), topic.stderr

    words = ("connect", "mastodon", "--brand", "nivalta", "--base", sandbox.url, "--token-stdin", "--login", "nivalta")
    connected = manage(*words, given=f"{TOKEN}\n")
    assert connected.returncode == 0, connected.stderr
    assert connected.stdout == f"@nivalta@piazzetta.example  {sandbox.url}  connected to Nivalta\n"
    assert TOKEN not in connected.stdout + connected.stderr
    assert TOKEN.encode() not in bytes(Credential.objects.get().cipher)

    listening = manage("listen", "mastodon", "--brand", "nivalta", "--address", "mentions")
    assert listening.returncode == 0, listening.stderr
    source = Source.objects.get()
    assert f"as source {source.pk}." in listening.stdout

    sandbox.say("gemma", "@nivalta the sole of my boots came off")
    polled = manage("poll", "--source", str(source.pk))
    assert polled.returncode == 0, polled.stderr
    assert "mentions 1" in polled.stdout
    intake.take_all(timezone.now())
    assert Thread.objects.get().brand.slug == "nivalta"


def test_a_refused_token_leaves_nothing(manage: Manage, sandbox: Any, cast: Cast) -> None:
    ended = manage("connect", "mastodon", "--brand", "nivalta", "--base", sandbox.url, "--token-stdin", given="wrong\n")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not Account.objects.exists()


def test_a_token_of_somebody_else_is_refused(manage: Manage, sandbox: Any, cast: Cast) -> None:
    words = ("connect", "mastodon", "--brand", "nivalta", "--base", sandbox.url, "--token-stdin", "--login", "brontola")
    ended = manage(*words, given=TOKEN)
    assert ended.returncode == 1
    assert "not to brontola. Nothing was kept." in ended.stderr
    assert not Account.objects.exists()


def test_setup_gives_the_brand_its_hours_its_target_and_one_administrator(cast: Cast) -> None:
    words = ("setup", "--brand", "altura", "--name", "Altura", "--admin", "Nora@example.org")
    assert "/password/" in called(*words)
    assert "/password/" in called(*words)
    assert CalendarVersion.objects.filter(brand__slug="altura").count() == 1
    assert TargetVersion.objects.filter(brand__slug="altura").count() == 1
    assert Person.objects.get(email="nora@example.org").role == "administrator"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("setup", "--brand", "a", "--name", "A", "--admin", "nobody"), "nobody is no e-mail address."),
        (("setup", "--brand", "a", "--name", "A", "--admin", "a@b.example", "--zone", "Mars/Base"), "no time zone"),
        (("setup", "--brand", "A b", "--name", "A", "--admin", "a@b.example"), "small letters"),
        (("setup", "--brand", "a", "--name", "A", "--admin", "sandro@example.org"), "belongs to a consultant"),
        (("topic", "T", "--brand", "nobody", "--any", "x"), "There is no brand called nobody."),
        (("topic", "T", "--brand", "nivalta"), ""),
        (("listen", "feed", "--brand", "nobody", "--address", "x"), "There is no brand called nobody."),
        (("listen", "carrier-pigeon", "--brand", "nivalta", "--address", "x"), "no connector called carrier-pigeon"),
        (("listen", "mastodon", "--brand", "nivalta", "--address", "mentions"), "Connect one first"),
        (("listen", "feed", "--brand", "nivalta", "--address", "http://10.0.0.1/feed"), ""),
        (("poll", "--source", "999"), "There is no active source with the number 999."),
        (("reset_link", "nobody@example.org"), "Nobody active signs in as nobody@example.org."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(cast: Cast, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError) as refused:
        called(*words)
    assert told in str(refused.value)
    assert str(refused.value).strip()
    assert not Source.objects.exists()


def test_a_topic_that_changes_counts_its_versions(cast: Cast) -> None:
    called("topic", "Boots", "--brand", "nivalta", "--any", "boots")
    assert called("topic", "Boots", "--brand", "nivalta", "--any", "boots", "soles") == (
        "Nivalta now listens for the topic Boots.\n"
    )
    topic = Topic.objects.get(name="Boots")
    assert (topic.version, topic.any_of) == (2, ["boots", "soles"])


def test_poll_says_when_nothing_is_due(cast: Cast) -> None:
    assert called("poll") == "Nothing is due.\n"


def test_a_reset_link_opens_once_and_signs_in(cast: Cast) -> None:
    link = called("reset_link", "marta@example.org").strip()
    browser = Client()
    form = browser.get("/" + link.split("/", 3)[3], follow=True)
    words = {"new_password1": "a long walk uphill", "new_password2": "a long walk uphill"}
    assert browser.post(form.request["PATH_INFO"], words).status_code == 302
    signed_in = browser.post("/login/", {"username": "marta@example.org", "password": "a long walk uphill"})
    assert (signed_in.status_code, signed_in["Location"]) == (302, "/")
    assert not Client().get("/" + link.split("/", 3)[3], follow=True).context["validlink"]


def test_the_outbox_lists_what_is_not_at_rest(manage: Manage, sandbox: Any, cast: Cast) -> None:
    manage("connect", "mastodon", "--brand", "nivalta", "--base", sandbox.url, "--token-stdin", given=TOKEN)
    manage("listen", "mastodon", "--brand", "nivalta", "--address", "mentions")
    sandbox.say("gemma", "@nivalta do you mend boots?")
    manage("poll", "--all")
    intake.take_all(timezone.now())
    thread = Thread.objects.get()
    with as_staff(cast.marta):
        reply = outbox.submit(thread, cast.marta, "We do.", thread.version, uuid.uuid4(), timezone.now())
    (line,) = [json.loads(line) for line in called("outbox", "--json").splitlines()]
    assert set(line) == {"id", "thread", "state", "remote_id", "attempts", "age", "reason"}
    assert (line["id"], line["thread"], line["state"]) == (reply.pk, thread.pk, "queued")
    assert called("outbox").split()[:3] == [str(reply.pk), str(thread.pk), "queued"]
    with as_staff(cast.marta):
        outbox.cancel(Reply.objects.get(pk=reply.pk), cast.marta, timezone.now())
    assert called("outbox") == ""
    assert json.loads(called("outbox", "--json", "--all"))["state"] == "cancelled"
