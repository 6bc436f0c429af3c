"""`manage.py doctor`: a sound installation passes, and each thing that breaks is told with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.binding import bound
from config import doctor, environment
from conversations.models import CalendarVersion
from listening.models import Account, Heartbeat, Source
from tests.cast import Cast, account_of, make_cast, source_of

pytestmark = pytest.mark.django_db
Change = Callable[[Cast], object]


@pytest.fixture
def sound() -> Cast:
    """An installation that lacks nothing: people, brands, sources, an account, and processes that live."""
    cast = make_cast()
    source_of(cast.brontola)
    source_of(cast.nivalta)
    account_of(cast.nivalta, "https://social.example", "a token")
    beats("poller", "sender", "beat")
    return cast


def beats(*names: str, ago: float = 0) -> None:
    for name in names:
        Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now() - timedelta(seconds=ago)})


def examined() -> tuple[int, str]:
    """What doctor ends with, and what it says."""
    said = StringIO()
    try:
        call_command("doctor", stdout=said)
    except SystemExit as end:
        return int(str(end.code)), said.getvalue()
    return 0, said.getvalue()


def statement(text: str) -> Change:
    """A change that the owner makes in the database; {db} is its name. The test's transaction takes it back."""

    def change(cast: Cast) -> None:
        with connection.cursor() as cursor:
            cursor.execute(text.replace("{db}", connection.settings_dict["NAME"]))

    return change


def test_a_sound_installation_passes(sound: Cast, settings: Any) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://ascolto.example", ["ascolto.example"]
    code, said = examined()
    assert code == 0
    assert {line.split()[0] for line in said.splitlines()} == {"ok"}


BROKEN: dict[str, tuple[Change, str]] = {
    "row-level security is off": (
        statement("ALTER TABLE conversations_thread DISABLE ROW LEVEL SECURITY"),
        "row-level security of conversations_thread",
    ),
    "a policy is gone": (statement("DROP POLICY reply_engaged ON conversations_reply"), "the policy reply_engaged"),
    "a trigger is off": (
        statement("ALTER TABLE conversations_reply DISABLE TRIGGER reply_guard"),
        "the trigger reply_guard",
    ),
    "the web process reads credentials": (
        statement('GRANT SELECT ON listening_credential TO "{db}_web"'),
        "can read credentials",
    ),
    "consultants reply": (
        statement('GRANT INSERT ON conversations_reply TO "{db}_consultant"'),
        "Consultants can write replies",
    ),
    "the web process takes no role": (
        statement('REVOKE "{db}_consultant" FROM "{db}_web"'),
        "can't take the role",
    ),
    "a migration is missing": (
        statement("DELETE FROM django_migrations WHERE app = 'conversations'"),
        "to apply, the first is conversations.",
    ),
    "the sender is dead": (lambda cast: beats("sender", ago=120), "sender does not run: no reply leaves."),
    "an account has no credential": (
        lambda cast: account_of(cast.nivalta, "https://other.example"),
        "@nivalta has no credential.",
    ),
    "a brand has no calendar": (
        lambda cast: CalendarVersion.objects.filter(brand=cast.nivalta).delete(),
        "Nivalta has no calendar",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_told_and_ends_with_1(sound: Cast, case: str) -> None:
    change, words = BROKEN[case]
    assert examined()[0] == 0
    change(sound)
    code, said = examined()
    assert code == 1
    lines = said.splitlines()
    (told,) = [number for number, line in enumerate(lines) if line.startswith("bad")]
    assert words in lines[told]
    assert lines[told + 1].startswith("      → ")


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no secret key": ({"SECRET_KEY": ""}, "SECRET_KEY has 0 characters"),
    "a short secret key": ({"SECRET_KEY": "short"}, "SECRET_KEY has 5 characters"),
    "no credential key": ({"CREDENTIAL_KEYS": []}, "ASCOLTO_CREDENTIAL_KEYS is empty"),
    "half a credential key": ({"CREDENTIAL_KEYS": ["half"]}, "Key 1 of ASCOLTO_CREDENTIAL_KEYS is no Fernet key"),
    "another credential key": ({"CREDENTIAL_KEYS": [Fernet.generate_key().decode()]}, "can't be opened"),
    "an open demo": ({"DEMO": True, "ALLOWED_HOSTS": ["ascolto.example"]}, "whose passwords everybody knows"),
    "no TLS": ({"PUBLIC_URL": "http://ascolto.example"}, "over plain http nobody can sign in"),
    "another host": ({"PUBLIC_URL": "https://elsewhere.example"}, "does not allow elsewhere.example"),
    "every host": ({"ALLOWED_HOSTS": ["*"]}, "ASCOLTO_HOSTS allows every name"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_that_is_wrong_is_told(sound: Cast, settings: Any, case: str) -> None:
    changes, words = SETTINGS[case]
    for name, value in changes.items():
        setattr(settings, name, value)
    code, said = examined()
    assert code == 1
    assert any(line.startswith("bad") and words in line for line in said.splitlines()), said


def test_trouble_that_passes_is_a_warning(sound: Cast) -> None:
    beats("poller", "sender", "beat", ago=3600)
    Account.objects.update(state=Account.State.PAUSED, state_words="The network refuses the token.")
    Source.objects.update(failures=3, trouble_words="The server does not answer. Look whether the site is up.")
    code, said = examined()
    assert code == 0
    assert "warn  Neither beat nor a worker runs" in said
    assert "warn  @nivalta is paused: The network refuses the token." in said
    assert "→ The server does not answer. Look whether the site is up." in said


def test_an_empty_database_is_a_beginning_not_a_fault() -> None:
    code, said = examined()
    assert code == 0
    assert "There is no administrator." in said


def test_clocks_that_differ_are_told() -> None:
    (finding,) = doctor.clocks(timezone.now() - timedelta(seconds=60))
    assert (finding.level, finding.words[-21:]) == ("bad", "differ by 60 seconds.")


def doctor_process(**variables: str) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "SECRET_KEY": "s" * 64, "ASCOLTO_DATA_DIR": "/nonexistent"} | variables
    command = [sys.executable, "manage.py", "doctor"]
    return subprocess.run(command, cwd=environment.ROOT, env=told, capture_output=True, text=True)


def test_servers_that_are_not_there_are_told_in_words(tmp_path: Path) -> None:
    nowhere = {
        "DATABASE_URL": f"postgresql://me:x@/ascolto?host={tmp_path}",
        "REDIS_URL": f"unix://{tmp_path}/redis.sock",
    }
    ended = doctor_process(**nowhere)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "bad   Redis does not answer" in ended.stdout
    assert "bad   PostgreSQL does not answer" in ended.stdout
    assert "Style sheets and scripts are not collected" in ended.stdout


def test_without_any_setting_it_still_says_what_to_do() -> None:
    ended = doctor_process(SECRET_KEY="")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "SECRET_KEY has 0 characters" in ended.stdout


def test_only_the_owner_can_examine() -> None:
    with bound("poller", durable=False):
        *_, finding = doctor.login()
    assert (finding.level, finding.remedy) == ("bad", "Run doctor as their owner: ASCOLTO_PROCESS=owner")
