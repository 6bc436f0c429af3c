"""What a browser makes of cleaned HTML: its own parser is the judge, and a trap hears any script that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from listening.text import show_html
from tests.listening.test_text import ALLOWED, hostile

# Parses each fragment as the browser would inside our page and names everything that isn't text or a link that leaves.
JUDGE = """([fragments, allowed]) => fragments.flatMap((fragment, number) => {
  const page = new DOMParser().parseFromString(`<!doctype html><body><div>${fragment}</div>`, 'text/html');
  const odd = [...page.querySelectorAll('*')].flatMap(element => {
    const tag = element.localName;
    if (element.namespaceURI !== 'http://www.w3.org/1999/xhtml') return [`foreign ${tag}`];
    if (!['html', 'head', 'body', ...allowed].includes(tag)) return [`tag ${tag}`];
    return [...element.attributes].flatMap(({name, value}) => {
      if (tag !== 'a') return [`attribute ${name}`];
      if (name === 'target') return value === '_blank' ? [] : [name];
      if (name === 'rel') return value === 'nofollow noopener noreferrer' ? [] : [name];
      if (name !== 'href') return [`attribute ${name}`];
      return ['http:', 'https:', 'mailto:'].includes(element.protocol) ? [] : [`link ${value}`];
    });
  });
  if (page.body.children.length !== 1) odd.push('it left its box');
  return odd.map(words => [number, words]);
})"""
TRAP = """
  window.ran = [];
  for (const name of ['alert', 'confirm', 'prompt', 'print', 'open', 'fetch'])
    window[name] = () => window.ran.push(name);
"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with the trap set, that reaches nothing."""
    page = browser.new_page()
    page.route("http*://**/*", lambda route: route.abort())
    page.add_init_script(TRAP)
    page.goto("about:blank")
    yield page
    page.close()


def test_no_payload_survives_in_chromium(page: Page) -> None:
    shown = [show_html(payload) for payload in hostile()]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content("".join(f"<div>{fragment}</div>" for fragment in shown))
    odd = page.evaluate(JUDGE, [shown, ALLOWED.split()])
    assert [(shown[number], words) for number, words in odd] == []
    assert page.evaluate("window.ran") == asked == []


def test_the_trap_and_the_judge_would_notice(page: Page) -> None:
    page.set_content("<p>shown as it came <img src='x:y' onerror='alert(1)'></p>")
    page.wait_for_function("window.ran.length > 0", timeout=5_000)
    raw = ["<p onclick=x()>", "<svg></svg>", "<a href='/inbox'>x</a>", "</div><p>", "<iframe></iframe>"]
    odd = page.evaluate(JUDGE, [raw, ALLOWED.split()])
    assert {number for number, _ in odd} == set(range(len(raw)))
