"""The square as a page: somebody plays a customer, sees the answers arrive, and makes the network misbehave."""

from __future__ import annotations

import json
import os
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlencode

from .api import LIMIT
from .exchange import Reply, Request, as_json
from .faults import TROUBLES
from .people import BRANDS, BY_NAME, CUSTOMERS
from .store import Post, Store
from .words import LANGUAGES, choose

HERE = Path(__file__).resolve().parent
CONTENT = HERE.parent / "content.json"
SHOWN = 40
PLAIN = (
    *("title", "skip", "tape", "tape_more", "subtitle", "back", "other_language", "as", "publish"),
    *("troubles", "troubles_more", "set", "clear"),
)
"""Words that stand in the page as they are."""
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a form names no origin, and is refused
}


@cache
def template(name: str) -> Template:
    return Template((HERE / "templates" / name).read_text())


@cache
def suggestions() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(CONTENT.read_text())["sandbox"]
    return found


class Pages:
    """Answers what is no API: the page, its forms and its static files."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def answer(self, request: Request) -> Reply:
        view = View(self.store, request)
        forms = {"/say": view.say, "/delete": view.delete, "/trouble": view.trouble, "/keys": view.keys}
        if request.method == "POST" and (form := (forms | {"/clear": view.clear}).get(request.path)):
            return form()
        if request.method != "GET":
            return view.page(status=405)
        if request.path == "/":
            return view.page()
        if request.path == "/_feed":
            return view.feed()
        if request.path.startswith("/static/"):
            return _static(request.path.removeprefix("/static/"))
        if request.path.startswith("/@"):
            return view.permalink()
        return view.nothing_here()


class View:
    """One look at the square: in one language, as one character."""

    def __init__(self, store: Store, request: Request) -> None:
        self.store, self.request = store, request
        self.form = request.form() if request.method == "POST" else {}
        self.words = choose(self._asked("lang"), request.headers.get("accept-language", ""))
        self.me = BY_NAME.get(self._asked("as"), CUSTOMERS[0])
        if self.me.brand:
            self.me = CUSTOMERS[0]

    def _asked(self, name: str) -> str:
        return str(self.form.get(name) or self.request.first(name))

    # what a form does

    def say(self) -> Reply:
        text = str(self.form.get("text", "")).replace("\r\n", "\n").strip()
        parent = self._post(self._asked("to"))
        brand = BY_NAME.get(self._asked("brand"))
        named = parent.account if parent and parent.account.brand else brand if brand and brand.brand else None
        if text and named and f"@{named.name}" not in text.lower():
            text = f"@{named.name} {text}"
        if not text or len(text) > LIMIT:
            return self.page(status=422, problem="too_long" if text else "empty")
        post = self.store.publish(self.me, text, parent.id if parent else None)
        return self._back(f"#p-{post.id}")

    def delete(self) -> Reply:
        post = self._post(self._asked("post"))
        if post and post.account == self.me:
            self.store.delete(post.id)
        return self._back("#posts")

    def trouble(self) -> Reply:
        self.store.clear_faults()
        name = self._asked("trouble")
        if name in TROUBLES:
            self.store.add_faults([TROUBLES[name] | {"name": name}])
        return self._back()

    def keys(self) -> Reply:
        self.store.keys = self._asked("keys") == "1"
        return self._back()

    def clear(self) -> Reply:
        self.store.clear()
        return self._back()

    # what is shown

    def page(self, status: int = 200, problem: str = "") -> Reply:
        words, parent = self.words, self._post(self._asked("to"))
        other = LANGUAGES[1 - LANGUAGES.index(words.language)]
        parts = {key: escape(words[key]) for key in PLAIN}
        parts |= {
            "language": words.language,
            "other_language_code": other,
            "other_language_url": escape(self._url(lang=other)),
            "ascolto": escape(os.environ.get("ASCOLTO_URL", "http://127.0.0.1:8000/")),
            "hidden": self._hidden(parent),
            "reply_line": self._reply_line(parent),
            "say_label": escape(words["reply_to"].format(name=parent.account.title) if parent else words["say"]),
            "problem": f'<p class="problem" role="alert">{escape(words[problem])}</p>' if problem else "",
            "placeholder": escape(words["placeholder"].format(text=suggestions()[3]["customer"])),
            "draft": escape(str(self.form.get("text", "")) or self._suggested()),
            "chips": "" if parent else self._chips(),
            "characters": self._characters(),
            "addressees": "" if parent else self._addressees(),
            "posts": self._posts(),
            "trip": self._trip(),
            "trip_title": escape(words["trip"]),
            "trouble_list": self._troubles(),
            "keys": escape(words["keys" if self.store.keys else "no_keys"]),
            "keys_more": escape(words["keys_more" if self.store.keys else "no_keys_more"]),
            "keys_value": "0" if self.store.keys else "1",
            "keys_button": escape(words["keys_off" if self.store.keys else "keys_on"]),
        }
        return _html(template("page.html").substitute(parts), status)

    def feed(self) -> Reply:
        answers = [post for post in self.store.posts("1") if post.account.brand]
        news = f"{self.words['new_answer'].format(name=answers[0].account.title)}" if answers else ""
        feed = {"stamp": self.store.stamp, "posts": self._posts(), "trip": self._trip(), "news": news}
        return as_json(feed)

    def permalink(self) -> Reply:
        """`/@name/ID` leads to the post where it stands in the square."""
        post = self._post(self.request.path.rpartition("/")[2])
        if post is None:
            return self.nothing_here()
        root = next(iter([*self.store.ancestors(post), post]))
        seen_as = root.account if root.account in CUSTOMERS else self.me
        return _redirect(f"/?{urlencode({'as': seen_as.name})}#p-{post.id}")

    def nothing_here(self) -> Reply:
        words = self.words
        body = f'<p>{escape(words["not_found"])} <a href="/">{escape(words["to_square"])}</a></p>'
        head = '<link rel="stylesheet" href="/static/piazzetta.css">'
        return _html(f'<!doctype html><html lang="{words.language}"><title>La Piazzetta</title>{head}{body}', 404)

    # parts

    def _post(self, post_id: str) -> Post | None:
        return self.store.post(int(post_id)) if post_id.isascii() and post_id.isdigit() and len(post_id) < 19 else None

    def _url(self, **changes: str) -> str:
        asked = {name: self.request.first(name) for name in ("as", "lang")} | {"as": self.me.name} | changes
        return f"/?{urlencode({name: value for name, value in asked.items() if value})}"

    def _back(self, anchor: str = "") -> Reply:
        language = {"lang": self._asked("lang")} if self._asked("lang") else {}
        return _redirect(f"/?{urlencode({'as': self.me.name} | language)}{anchor}")

    def _hidden(self, parent: Post | None) -> str:
        fields = {"lang": self._asked("lang"), "to": str(parent.id) if parent else ""}
        return "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items() if value
        )

    def _reply_line(self, parent: Post | None) -> str:
        if parent is None:
            return ""
        other = f'<a href="{escape(self._url())}">{escape(self.words["not_a_reply"])}</a>'
        return f'<p class="quoted">{escape(parent.text)}</p><p class="quiet">{other}</p>'

    def _suggested(self) -> str:
        asked = self.request.first("start")
        return next((each["customer"] for each in suggestions() if each["id"] == asked), "")

    def _chips(self) -> str:
        own = [each for each in suggestions() if each["brand"] == self._addressee()]
        links = "".join(
            f'<a lang="it" href="{escape(self._url(start=each["id"], brand=each["brand"]))}#say">'
            f"{escape(each['customer'])}</a>"
            for each in own[:5]
        )
        return f"<span>{escape(self.words['suggestions'])}:</span> {links}"

    def _characters(self) -> str:
        return "".join(
            f'<option value="{each.name}"{" selected" if each == self.me else ""}>'
            f"{escape(each.title)}, {escape(self.words[each.mood])}</option>"
            for each in CUSTOMERS
        )

    def _addressee(self) -> str:
        asked = self._asked("brand")
        return asked if asked in BY_NAME or asked == "nobody" else BRANDS[0].name

    def _addressees(self) -> str:
        choices = [(each.name, f"@{each.name}") for each in BRANDS] + [("nobody", self.words["nobody"])]
        options = "".join(
            f'<option value="{name}"{" selected" if name == self._addressee() else ""}>{escape(label)}</option>'
            for name, label in choices
        )
        return f'<label>{escape(self.words["to"])} <select name="brand">{options}</select></label>'

    def _troubles(self) -> str:
        chosen = next((str(fault.get("name", "")) for fault in self.store.faults()), "well")
        see = {"well": "see_well", "busy": "see_later", "refuse": "see_failed", "delete": "see_deleted"}
        return "".join(
            f'<li><label><input type="radio" name="trouble" value="{name}"{" checked" if name == chosen else ""}> '
            f"{escape(self.words['delete_trouble' if name == 'delete' else name])} "
            f"<small>{escape(self.words[see.get(name, 'see_uncertain')])}</small></label></li>"
            for name in ("well", *TROUBLES)
        )

    # posts

    def _posts(self) -> str:
        """Conversations the character takes part in, newest first and each in its order; then all others."""
        mine: list[list[Post]] = []
        others: list[Post] = []
        roots = [post for post in self.store.posts("1") if post.parent is None or self.store.post(post.parent) is None]
        for root in roots[:SHOWN]:
            whole = [root, *self.store.descendants(root)]
            if any(post.account == self.me for post in whole):
                mine.append(whole)
            else:
                others += whole
        own = "".join(self._one(post) for whole in mine for post in whole)
        empty = f'<p class="quiet">{escape(self.words["nothing_yet"])}</p>'
        rest = f"<h2>{escape(self.words['others'])}</h2>" + "".join(map(self._one, others)) if others else ""
        return f"<h2>{escape(self.words['yours'])}</h2>{own or empty}{rest}"

    def _one(self, post: Post) -> str:
        parent = self.store.post(post.parent) if post.parent else None
        waiting = not post.account.brand and not self.store.posts("parent = ?", post.id)
        at = datetime.fromtimestamp(post.created).astimezone()
        return template("post.html").substitute(
            id=post.id,
            kind="brand" if post.account.brand else "waiting" if waiting and post.mentioned else "",
            name=escape(post.account.title),
            handle=f"@{post.account.name}",
            relation=escape(self._relation(post, parent)),
            iso=at.isoformat(timespec="seconds"),
            time=at.strftime("%H:%M:%S"),
            lang=escape(post.language),
            text=escape(post.text),
            footer=self._footer(post, parent, waiting),
            actions=self._actions(post),
        )

    def _relation(self, post: Post, parent: Post | None) -> str:
        who = [self.words["you"]] if post.account == self.me else [self.words["brand"]] if post.account.brand else []
        answer = [self.words["in_answer"].format(name=parent.account.title)] if parent and post.account.brand else []
        edited = [self.words["edited"]] if post.edited else []
        return "".join(f", {each}" for each in [*who, *answer, *edited])

    def _footer(self, post: Post, parent: Post | None, waiting: bool) -> str:
        if post.account.brand:
            took = self.words.duration(post.created - parent.created) if parent else ""
            return self.words["arrived_after"].format(time=took) if parent else ""
        if not post.mentioned:
            return escape(self.words["unaddressed"])
        if post.heard is None:
            return escape(self.words["unheard"])
        return escape(self.words["waiting" if waiting else "heard"])

    def _actions(self, post: Post) -> str:
        if post.account.brand:
            return f'<a href="{escape(self._url(to=str(post.id)))}#say">{escape(self.words["reply"])}</a>'
        if post.account != self.me:
            return ""
        label = escape(self.words["delete_it"].format(text=post.text[:40]))
        fields = self._hidden(None) + f'<input type="hidden" name="as" value="{self.me.name}">'
        return (
            f'<form method="post" action="/delete">{fields}<button class="link" name="post" value="{post.id}" '
            f'aria-label="{label}">{escape(self.words["delete"])}</button></form>'
        )

    # the journey

    def _trip(self) -> str:
        own = self.store.posts("account = ?", self.me.name)
        steps = self._steps(own[0]) if own else ""
        empty = f'<p class="quiet">{escape(self.words["trip_empty"])}</p>'
        ascolto = escape(os.environ.get("ASCOLTO_URL", "http://127.0.0.1:8000/"))
        button = f'<a class="btn full" href="{ascolto}">{escape(self.words["answer_now"])}</a>'
        body = f'<ol class="trip">{steps}</ol>{button}' if steps else empty
        return f"<h2>{escape(self.words['trip'])}</h2>{body}"

    def _steps(self, post: Post) -> str:
        words = self.words
        at = datetime.fromtimestamp(post.created).astimezone().strftime("%H:%M:%S")
        steps = [f"<li><time>{at}</time>{words['trip_said']}</li>"]
        if post.heard is None:
            hint = "" if post.mentioned else f"<small>{escape(words['trip_not_addressed'])}</small>"
            return "".join([*steps, f'<li class="todo">{escape(words["trip_not_heard"])}{hint}</li>'])
        steps.append(f"<li>{self._after(post, post.heard)}{words['trip_heard']}</li>")
        attempts = self.store.attempts(post.id)
        if len(attempts) > 1 or any(each["fault"] for each in attempts):
            steps += [self._try(post, number, attempts) for number in range(len(attempts))]
        answers = [each for each in self.store.posts("parent = ?", post.id)[::-1] if each.account.brand]
        if not answers:
            return "".join([*steps, f'<li class="todo">{escape(words["trip_open"])}</li>'])
        text = words["trip_arrived"] if len(answers) == 1 else words["trip_several"].format(count=len(answers))
        return "".join([*steps, f"<li>{self._after(post, answers[0].created)}{text}</li>"])

    def _after(self, post: Post, at: float) -> str:
        return f"<time>{escape(self.words['after'].format(time=self.words.duration(at - post.created)))}</time>"

    def _try(self, post: Post, number: int, attempts: list[dict[str, Any]]) -> str:
        this = attempts[number]
        again = this["post"] is not None and this["post"] in [each["post"] for each in attempts[:number]]
        name = f"did_{this['fault'] or ('again' if again else 'well')}"
        try:
            what = self.words[name]
        except KeyError:
            what = self.words["did_other"]
        text = self.words["trip_try"].format(number=number + 1, what=escape(what))
        return f'<li class="{"odd" if this["fault"] else ""}">{self._after(post, this["at"])}{text}</li>'


def _html(text: str, status: int = 200) -> Reply:
    return Reply(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"} | HEADERS)


def _redirect(target: str) -> Reply:
    return Reply(303, b"", {"Location": target} | HEADERS)


def _static(name: str) -> Reply:
    path = HERE / "static" / name
    if "/" in name or path.suffix not in TYPES or not path.is_file():
        return Reply(404, b"", {"Content-Type": "text/plain"})
    return Reply(200, path.read_bytes(), {"Content-Type": TYPES[path.suffix]} | HEADERS)
