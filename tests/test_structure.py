"""What the import checker cannot see: names in strings, templates, who knocks at which door."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps

from accounts.authority import GRANTS, Can
from accounts.checks import every_url_has_a_sign, patterns

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("accounts", "listening", "conversations")
CODE = [path for app in ORDER for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts]


def knows(path: Path) -> tuple[str, ...]:
    """The apps that a file may name: its own and those below."""
    return ORDER[: ORDER.index(path.relative_to(ROOT).parts[0]) + 1]


@pytest.mark.parametrize("app", ORDER)
def test_a_foreign_key_never_points_up(app: str) -> None:
    for model in apps.get_app_config(app).get_models():
        for field in model._meta.get_fields():
            if field.concrete and field.is_relation and field.related_model:
                assert field.related_model._meta.app_label in (*ORDER[: ORDER.index(app) + 1], "contenttypes"), field


def test_no_model_is_asked_for_by_a_string() -> None:
    for path in CODE:
        assert not re.search(r"\bget_model\(|\bimport_string\(", path.read_text()), path


def test_a_template_includes_only_what_its_app_may_know() -> None:
    """The consultant's pages include nothing of the team's, but the poll that asks whether anything moved."""
    shared = {"regions/live.html", "regions/log_out.html"}
    for path in (ROOT / "templates" / "consult").glob("*.html"):
        included = set(re.findall(r'{% (?:include|extends) "([^"]+)"', path.read_text()))
        team = {name for name in included if not name.startswith("consult/") and name != "base.html"}
        assert team <= shared, path


def test_only_the_outbox_speaks_and_looks() -> None:
    """`voice.speak` and `voice.look` are called from one module."""
    callers = {
        path.relative_to(ROOT).as_posix()
        for path in CODE
        if "connectors" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("speak", "look") and isinstance(node.value, ast.Name)
        and node.value.id == "voice"
    }  # fmt: skip
    assert callers == {"conversations/outbox.py"}


def test_only_fetching_makes_a_connection() -> None:
    """Whoever needs the network is handed a guarded client."""
    made = re.compile(
        r"httpx\.(Client|AsyncClient|get|post|stream|request)\(|\burlopen\(|requests\.|socket\.create_connection"
    )
    makers = {path.relative_to(ROOT).as_posix() for path in CODE if made.search(path.read_text())}
    assert makers == {"listening/fetching.py"}


def test_every_url_names_its_capability_and_every_capability_is_granted() -> None:
    assert every_url_has_a_sign() == []
    assert set(GRANTS) == set(Can)
    assert {getattr(pattern.callback, "capability", None) for pattern in patterns()} <= set(Can)


def test_no_session_setting_outlives_its_transaction() -> None:
    """A role or an actor is only ever set for one transaction."""
    for path in CODE:
        text = path.read_text()
        assert not re.search(r"[\"']\s*SET (SESSION )?(ROLE|ascolto)", text), path
        assert "StreamingHttpResponse" not in text, path
