"""La Piazzetta: that it stays inside, speaks the API, acts out its troubles, and is a page a newcomer can use."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from demo.sandbox.faults import TROUBLES
from demo.sandbox.pages import suggestions
from demo.sandbox.server import Sandbox, start
from demo.sandbox.words import WORDS

ROOT = Path(__file__).resolve().parents[2]
BRAND = {"Authorization": "Bearer nivalta-demo-token"}
GEMMA = {"Authorization": "Bearer gemma-demo-token"}


@pytest.fixture
def piazzetta() -> Iterator[Sandbox]:
    running = start(keys=True)
    yield running
    running.stop()


def post(sandbox: Sandbox, text: str, key: str = "", to: str = "", who: dict[str, str] = BRAND) -> httpx.Response:
    body = {"status": text} | ({"in_reply_to_id": to} if to else {})
    return httpx.post(f"{sandbox.url}/api/v1/statuses", json=body, headers=who | {"Idempotency-Key": key}, timeout=2)


def get(sandbox: Sandbox, path: str, who: dict[str, str] | None = None) -> Any:
    return httpx.get(sandbox.url + path, headers=who or {}).json()


# ── where it runs ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_does_not_start_outside_demo_and_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASCOLTO_TEST", raising=False)
    monkeypatch.delenv("ASCOLTO_DEMO", raising=False)
    with pytest.raises(RuntimeError, match="only in the demo"):
        start()
    run = subprocess.run([sys.executable, "-m", "demo.sandbox"], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert run.returncode
    assert "only in the demo" in run.stderr
    assert "Traceback" not in run.stderr


def test_as_a_process_it_keeps_what_was_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = {
        "ASCOLTO_DEMO": "1",
        "SANDBOX_PORT": str(port),
        "ASCOLTO_DATA_DIR": str(tmp_path),
        "SANDBOX_TOKEN": "secret",
    }
    base = f"http://127.0.0.1:{port}"
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-m", "demo.sandbox"], cwd=ROOT, env=os.environ | told)
        try:
            _wait_for(base)
            httpx.post(f"{base}/say", data={"as": "gemma", "brand": "nivalta", "text": "ci siete?"})
            heard = httpx.get(f"{base}/api/v1/notifications", headers={"Authorization": "Bearer secret"}).json()
            assert httpx.get(f"{base}/api/v1/notifications", headers=BRAND).status_code == 401
        finally:
            process.terminate()
            assert process.wait(10) == 0
    assert len(heard) == 2


def _wait_for(base: str) -> None:
    for _ in range(100):
        try:
            httpx.get(base)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize(
    "headers", [{"Host": "piazzetta.evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
@pytest.mark.parametrize("path", ["/say", "/_faults", "/clear"])
def test_it_takes_nothing_from_elsewhere(piazzetta: Sandbox, headers: dict[str, str], path: str) -> None:
    answer = httpx.post(piazzetta.url + path, data={"as": "gemma", "text": "ciao"}, headers=headers)
    assert answer.status_code == 403
    assert piazzetta.store.truth()["posts"] == []


# ── the API ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_through_the_api(piazzetta: Sandbox) -> None:
    asked = post(piazzetta, "@nivalta quanto pesa? #zaini https://nivalta.example/sella", who=GEMMA).json()
    note = get(piazzetta, "/api/v1/notifications?types[]=mention", BRAND)[0]
    assert (note["type"], note["status"]["id"]) == ("mention", asked["id"])
    assert re.sub("<[^>]*>", "", asked["content"]) == "@nivalta quanto pesa? #zaini https://nivalta.example/sella"
    answered = post(piazzetta, "@gemma un chilo", to=asked["id"]).json()
    assert get(piazzetta, f"/api/v1/statuses/{asked['id']}/context")["descendants"][0]["id"] == answered["id"]
    assert [each["id"] for each in get(piazzetta, "/api/v1/timelines/tag/zaini")] == [asked["id"]]
    assert [each["id"] for each in get(piazzetta, "/api/v1/accounts/101/statuses")] == [answered["id"]]
    assert [each["id"] for each in get(piazzetta, "/api/v2/search?q=un+chilo", BRAND)["statuses"]] == [answered["id"]]
    changed = httpx.put(
        f"{piazzetta.url}/api/v1/statuses/{answered['id']}", json={"status": "@gemma 900 g"}, headers=BRAND
    ).json()
    assert changed["edited_at"]
    assert httpx.delete(f"{piazzetta.url}/api/v1/statuses/{answered['id']}", headers=GEMMA).status_code == 404
    assert httpx.delete(f"{piazzetta.url}/api/v1/statuses/{answered['id']}", headers=BRAND).json()["text"]
    assert get(piazzetta, f"/api/v1/statuses/{asked['id']}/context")["descendants"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"status": "x" * 501}, 422), ({"status": "a", "in_reply_to_id": "77"}, 404), ({"status": "a"}, 200)],
)
def test_what_is_refused(piazzetta: Sandbox, body: dict[str, str], status: int) -> None:
    answer = httpx.post(f"{piazzetta.url}/api/v1/statuses", json=body, headers=BRAND)
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status >= 400)
    assert httpx.post(f"{piazzetta.url}/api/v1/statuses", json=body).status_code == 401


def test_pages_are_walked_both_ways_by_link(piazzetta: Sandbox) -> None:
    ids = [str(piazzetta.say("gemma", f"passo {number} #via").id) for number in range(7)]
    for start_at, rel, expected in (("?limit=3", "next", ids[::-1]), (f"?limit=3&min_id={ids[0]}", "prev", ids[1:])):
        url: str | None = f"{piazzetta.url}/api/v1/timelines/tag/via{start_at}"
        seen: list[str] = []
        while url:
            answer = httpx.get(url)
            page = [each["id"] for each in answer.json()]
            seen += page if rel == "next" else page[::-1]
            url = answer.links.get(rel, {}).get("url")
        assert seen == expected


def test_direct_messages_stay_between_two(piazzetta: Sandbox) -> None:
    said = piazzetta.say("gemma", "@nivalta il mio indirizzo", visibility="direct")
    assert httpx.get(f"{piazzetta.url}/api/v1/statuses/{said.id}").status_code == 404
    assert httpx.get(f"{piazzetta.url}/api/v1/statuses/{said.id}", headers=BRAND).status_code == 200


@pytest.mark.parametrize("honoured", [True, False])
def test_keys(piazzetta: Sandbox, honoured: bool) -> None:
    piazzetta.store.keys = honoured
    answers = [post(piazzetta, "una volta", "key-1").json()["id"] for _ in range(2)]
    assert (len(set(answers)) == 1) == honoured
    assert len(piazzetta.published()) == (1 if honoured else 2)


def test_four_at_once_with_one_key_publish_once(piazzetta: Sandbox) -> None:
    threads = [threading.Thread(target=post, args=(piazzetta, "una volta", "key-1")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(piazzetta.published()) == 1


@pytest.mark.parametrize("name", TROUBLES)
def test_troubles(piazzetta: Sandbox, name: str) -> None:
    """Each does once what it says, and the truth says what really happened."""
    fault = TROUBLES[name] | {"name": name, "seconds": 0.2}
    httpx.post(f"{piazzetta.url}/_faults", json=[fault]).raise_for_status()
    try:
        first: int | None = post(piazzetta, "ecco", "key-1").status_code
    except httpx.TransportError:
        first = None
    truth = get(piazzetta, "/_truth")
    assert len(truth["posts"]) == (1 if fault["published"] else 0)
    assert truth["attempts"][0]["fault"] == name
    assert first == {"busy": 429, "error": 500, "error_lost": 500, "refuse": 422, "delete": 200}.get(name)
    assert post(piazzetta, "ecco", "key-1").status_code == 200
    assert len(piazzetta.published()) == 1


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_word_stands_in_both_languages() -> None:
    same = {key for key, (english, italian) in WORDS.items() if english == italian}
    assert same <= {"seconds", "minutes", "hours"}
    fields = re.compile(r"\{(\w+)\}")
    assert all(set(fields.findall(en)) == set(fields.findall(it)) for en, it in WORDS.values())


def test_language_follows_the_browser_and_the_visitor(piazzetta: Sandbox) -> None:
    def page(language: str, query: str = "") -> str:
        return httpx.get(f"{piazzetta.url}/{query}", headers={"Accept-Language": language}).text

    assert "Pubblica in Piazzetta" in page("it-IT,it;q=0.9,en;q=0.8")
    assert "Publish in the square" in page("de-DE,en;q=0.8")
    assert "Pubblica in Piazzetta" in page("en", "?lang=it")


def test_what_people_write_is_only_text(piazzetta: Sandbox) -> None:
    piazzetta.say("gemma", "<script>alert(1)</script> ${x} $text \"' <img src=x onerror=alert(1)>")
    shown = httpx.get(piazzetta.url).text
    assert "<script>alert" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in get(piazzetta, "/api/v1/timelines/public")[0]["content"]


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(locale="en-US", viewport={"width": 390, "height": 844})
    page.set_default_timeout(8000)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert said == []


def test_a_newcomer_plays_a_customer(piazzetta: Sandbox, browser_page: Page) -> None:
    """Starts from a suggestion, sees that it was heard, sees the answer arrive by itself, answers, deletes, clears."""
    page = browser_page
    page.goto(piazzetta.url)
    page.get_by_role("link", name=suggestions()[0]["customer"]).click()
    page.get_by_label("Write as").select_option("oreste")
    page.get_by_role("button", name="Publish in the square").click()
    page.get_by_text("Ascolto has not come by yet").wait_for()
    note = get(piazzetta, "/api/v1/notifications", BRAND)[0]
    assert note["account"]["acct"] == "oreste"
    page.get_by_text("Waiting for somebody to answer in Ascolto").wait_for()
    answer = post(piazzetta, "@oreste arriviamo", "key-1", to=note["status"]["id"]).json()
    page.locator("article.brand").get_by_text("@oreste arriviamo").wait_for()
    page.get_by_text("Arrived here, once only").wait_for()
    page.locator("article.brand").get_by_role("link", name="Answer").click()
    page.get_by_label("Answer Nivalta").fill("Grazie!")
    page.get_by_role("button", name="Publish in the square").click()
    reply = page.locator("article", has_text="@nivalta Grazie!")
    reply.wait_for()
    assert get(piazzetta, "/api/v1/notifications", BRAND)[0]["status"]["in_reply_to_id"] == answer["id"]
    reply.get_by_role("button", name="Delete").click()
    reply.wait_for(state="detached")
    page.get_by_role("button", name="Clear the square").click()
    page.get_by_text("Nothing yet.").wait_for()


def test_troubles_and_keys_are_chosen_on_the_page(piazzetta: Sandbox, browser_page: Page) -> None:
    page = browser_page
    page.goto(piazzetta.url)
    page.get_by_label("Publishes it and hangs up").check()
    page.get_by_role("button", name="Set").click()
    page.wait_for_load_state()
    assert piazzetta.store.faults()[0]["name"] == "drop"
    assert page.get_by_label("Publishes it and hangs up").is_checked()
    page.get_by_role("button", name="Ignore the keys").click()
    page.get_by_role("button", name="Honour the keys").wait_for()
    assert not piazzetta.store.keys


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(piazzetta: Sandbox, browser: Browser, browser_page: Page, scheme: Any) -> None:
    asked = piazzetta.say("gemma", "@nivalta come li asciugo?")
    get(piazzetta, "/api/v1/notifications", BRAND)
    piazzetta.say("nivalta", "@gemma lontano dalla stufa", str(asked.id))
    # axe is put into the page from outside, which the page's own policy rightly refuses.
    page = browser.new_page(bypass_csp=True, color_scheme=scheme, viewport={"width": 390, "height": 844})
    for address in ("/", f"/?to={asked.id}"):
        page.goto(piazzetta.url + address)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
