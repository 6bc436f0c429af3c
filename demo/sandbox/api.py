"""Mastodon's API, as much of it as a client needs that listens and answers."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode

from .exchange import Reply, Request, as_json, refusal
from .faults import act_out, publishes
from .people import ACCOUNTS, DOMAIN, Account, by_token
from .store import MENTION, TAG, Post, Store

LIMIT = 500
URL_CHARACTERS = 23
ELSEWHERE = range(1 << 40, 1 << 41)
"""Ids of posts on other servers that this one knows by name alone: the demo's history is full of them. Own ids are far
larger."""
VISIBILITIES = ("public", "unlisted", "private", "direct")
VERSION = "4.6.0 (compatible; Piazzetta 1.0)"
URL = re.compile(r"https?://[^\s<>\"]+")

Json = dict[str, Any]
T = TypeVar("T")


class Api:
    """Answers requests below /api, and NodeInfo."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def answer(self, request: Request) -> Reply | None:
        """None: not an address of the API."""
        for method, pattern, handler, needs_account in ROUTES:
            if method == request.method and (found := re.fullmatch(pattern, request.path)):
                return self._call(request, handler, needs_account, [unquote(each) for each in found.groups()])
        return refusal(404, "Record not found") if request.path.startswith("/api/") else None

    def _call(self, request: Request, handler: Handler, needs_account: bool, parts: list[str]) -> Reply:
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        caller = by_token(token) if token else None
        if (token or needs_account) and caller is None:
            return refusal(401, "The access token is invalid")
        reply = handler(self, request, caller, *parts)
        reset = datetime.fromtimestamp((time.time() // 300 + 1) * 300, UTC).isoformat().replace("+00:00", "Z")
        limits = {"X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "299", "X-RateLimit-Reset": reset}
        reply.headers = limits | reply.headers
        return reply

    # who and where

    def me(self, request: Request, caller: Account) -> Reply:
        return as_json(account_json(caller, request.base))

    def app(self, request: Request, caller: Account) -> Reply:
        return as_json({"name": "Ascolto", "scopes": ["read", "write:statuses"]})

    def instance(self, request: Request, caller: Account | None, version: str) -> Reply:
        statuses = {"max_characters": LIMIT, "characters_reserved_per_url": URL_CHARACTERS}
        common = {"title": "La Piazzetta", "version": VERSION, "configuration": {"statuses": statuses}}
        return as_json(common | ({"domain": DOMAIN} if version == "2" else {"uri": DOMAIN}))

    def nodeinfo(self, request: Request, caller: Account | None) -> Reply:
        schema = "http://nodeinfo.diaspora.software/ns/schema/2.0"
        return as_json({"links": [{"rel": schema, "href": f"{request.base}/nodeinfo/2.0"}]})

    def nodeinfo_2(self, request: Request, caller: Account | None) -> Reply:
        # A client reads here whether a key can be trusted, so the name is that of a server with this habit.
        name = "mastodon" if self.store.keys else "takahe"
        return as_json({"version": "2.0", "software": {"name": name, "version": VERSION}})

    # statuses

    def send(self, request: Request, caller: Account) -> Reply:
        form, key = request.form(), request.headers.get("idempotency-key", "")
        text, spoiler = str(form.get("status") or ""), str(form.get("spoiler_text") or "")
        parent = self._readable(str(form.get("in_reply_to_id") or ""), caller)
        if refused := self._refuse(form, text + spoiler, parent):
            return refused
        fault = self.store.next_fault() if caller.brand else {}
        again = self.store.with_key(caller, key) if self.store.keys else None
        post = again
        if again is None and publishes(fault):
            post = self.store.publish(
                caller,
                text,
                parent.id if parent else _elsewhere(form),
                visibility=str(form.get("visibility") or "public"),
                spoiler=spoiler,
                language=str(form.get("language") or ""),
                key=key,
                delay=float(fault.get("seconds", 90)) if fault.get("what") == "lag" else 0.0,
            )
        self.store.tried(key, parent.id if parent else None, fault, post)
        well = as_json(self._status(post, request) if post else {})
        if post and fault.get("what") == "delete":
            self.store.delete(post.id)
        return act_out(fault, well)

    def _refuse(self, form: Json, text: str, parent: Post | None) -> Reply | None:
        if form.get("in_reply_to_id") and parent is None and not _elsewhere(form):
            return refusal(404, "Record not found")
        if not str(form.get("status") or "").strip():
            return refusal(422, "Validation failed: Text can't be blank")
        if len(URL.sub("x" * URL_CHARACTERS, text)) > LIMIT:
            return refusal(422, f"Validation failed: Text character limit of {LIMIT} exceeded")
        if str(form.get("visibility") or "public") not in VISIBILITIES:
            return refusal(422, "Validation failed: Visibility is not included in the list")
        return None

    def show(self, request: Request, caller: Account | None, post_id: str) -> Reply:
        post = self._readable(post_id, caller)
        if post is None:
            return refusal(404, "Record not found")
        self._heard([post], caller)
        return as_json(self._status(post, request))

    def context(self, request: Request, caller: Account | None, post_id: str) -> Reply:
        post = self._readable(post_id, caller)
        if post is None:
            return refusal(404, "Record not found")
        both = [self.store.ancestors(post), self.store.descendants(post)]
        above, below = ([each for each in part if each.visible_to(caller)] for part in both)
        self._heard([*above, *below], caller)
        render = self._status
        return as_json(
            {"ancestors": [render(p, request) for p in above], "descendants": [render(p, request) for p in below]}
        )

    def change(self, request: Request, caller: Account, post_id: str) -> Reply:
        post = self._own(post_id, caller)
        text = str(request.form().get("status") or "").strip()
        if post is None:
            return refusal(404, "Record not found")
        if not text:
            return refusal(422, "Validation failed: Text can't be blank")
        return as_json(self._status(self.store.edit(post, text), request))

    def delete(self, request: Request, caller: Account, post_id: str) -> Reply:
        post = self._own(post_id, caller)
        if post is None:
            return refusal(404, "Record not found")
        self.store.delete(post.id)
        return as_json(self._status(post, request) | {"text": post.text})

    # lists

    def of_account(self, request: Request, caller: Account | None, account_id: str) -> Reply:
        account = next((each for each in ACCOUNTS if each.id == account_id), None)
        if account is None:
            return refusal(404, "Record not found")
        return self._timeline(request, caller, self.store.posts("account = ?", account.name))

    def tag(self, request: Request, caller: Account | None, tag: str) -> Reply:
        posts = [post for post in self.store.posts("visibility = 'public'") if tag.lower() in post.tags]
        return self._timeline(request, caller, posts)

    def public(self, request: Request, caller: Account | None) -> Reply:
        return self._timeline(request, caller, self.store.posts("visibility = 'public'"))

    def search(self, request: Request, caller: Account | None) -> Reply:
        query = request.first("q").strip()
        posts = [post for post in self.store.posts("1") if post.visible_to(caller)]
        if query.startswith(("http://", "https://")):
            found = [post for post in posts if query in (post_uri(post), post_url(post, request.base))]
        else:
            words = query.lower().split()
            found = [p for p in posts if words and p.visibility == "public" and all(w in p.text.lower() for w in words)]
        start, size = _number(request.first("offset"), 0), min(_number(request.first("limit"), 20), 40)
        self._heard(found, caller)
        statuses = [self._status(post, request) for post in found[start : start + size]]
        return as_json({"accounts": [], "statuses": statuses, "hashtags": []})

    def notifications(self, request: Request, caller: Account) -> Reply:
        types = [value for name, value in request.query if name == "types[]"]
        entries = self.store.notifications(caller) if not types or "mention" in types else []
        page = _cut(entries, lambda entry: entry[0], request)
        self._heard([post for _, post in page], caller)
        body = [
            {
                "id": str(number),
                "type": "mention",
                "created_at": _iso(post.created),
                "account": account_json(post.account, request.base),
                "status": self._status(post, request),
            }
            for number, post in page
        ]
        return as_json(body, headers=_links(request, [number for number, _ in page]))

    def _timeline(self, request: Request, caller: Account | None, posts: Sequence[Post]) -> Reply:
        page = _cut([post for post in posts if post.visible_to(caller)], lambda post: post.id, request)
        self._heard(page, caller)
        return as_json([self._status(p, request) for p in page], headers=_links(request, [p.id for p in page]))

    # help

    def _heard(self, posts: Sequence[Post], caller: Account | None) -> None:
        if caller is not None and caller.brand:
            self.store.heard(posts)

    def _readable(self, post_id: str, caller: Account | None) -> Post | None:
        post = self.store.post(_number(post_id, -1))
        return post if post and post.visible_to(caller) else None

    def _own(self, post_id: str, caller: Account) -> Post | None:
        post = self.store.post(_number(post_id, -1))
        return post if post and post.account == caller else None

    def _status(self, post: Post, request: Request) -> Json:
        parent = self.store.posts("id = ?", post.parent, hidden=True) if post.parent else []
        return {
            "id": str(post.id),
            "uri": post_uri(post),
            "url": post_url(post, request.base),
            "created_at": _iso(post.created),
            "edited_at": _iso(post.edited) if post.edited else None,
            "in_reply_to_id": str(post.parent) if post.parent else None,
            "in_reply_to_account_id": parent[0].account.id if parent else None,
            "visibility": post.visibility,
            "spoiler_text": post.spoiler,
            "sensitive": bool(post.spoiler),
            "language": post.language,
            "content": content(post.text, request.base),
            "account": account_json(post.account, request.base),
            "mentions": [
                {"id": each.id, "username": each.name, "acct": each.name, "url": f"{request.base}/@{each.name}"}
                for each in post.mentioned
            ],
            "tags": [{"name": tag, "url": f"{request.base}/?tag={tag}"} for tag in post.tags],
            "media_attachments": [],
            "reblog": None,
            "quote": None,
        }


Handler = Callable[..., Reply]
ROUTES: list[tuple[str, str, Handler, bool]] = [
    ("GET", "/api/v1/accounts/verify_credentials", Api.me, True),
    ("GET", "/api/v1/apps/verify_credentials", Api.app, True),
    ("GET", "/api/v([12])/instance", Api.instance, False),
    ("GET", "/.well-known/nodeinfo", Api.nodeinfo, False),
    ("GET", "/nodeinfo/2.0", Api.nodeinfo_2, False),
    ("POST", "/api/v1/statuses", Api.send, True),
    ("GET", "/api/v1/statuses/([^/]+)", Api.show, False),
    ("PUT", "/api/v1/statuses/([^/]+)", Api.change, True),
    ("DELETE", "/api/v1/statuses/([^/]+)", Api.delete, True),
    ("GET", "/api/v1/statuses/([^/]+)/context", Api.context, False),
    ("GET", "/api/v1/accounts/([^/]+)/statuses", Api.of_account, False),
    ("GET", "/api/v1/timelines/tag/([^/]+)", Api.tag, False),
    ("GET", "/api/v1/timelines/public", Api.public, False),
    ("GET", "/api/v1/notifications", Api.notifications, True),
    ("GET", "/api/v2/search", Api.search, True),
]
"""Method, path, handler, and whether it needs an account."""


def _elsewhere(form: Json) -> int | None:
    """The post on another server that is answered: servers of the fediverse publish such an answer too."""
    number = _number(str(form.get("in_reply_to_id") or ""), 0)
    return number if number in ELSEWHERE else None


def post_uri(post: Post) -> str:
    return f"{post.account.uri}/statuses/{post.id}"


def post_url(post: Post, base: str) -> str:
    return f"{base}/@{post.account.name}/{post.id}"


def account_json(account: Account, base: str) -> Json:
    return {
        "id": account.id,
        "username": account.name,
        "acct": account.name,
        "display_name": account.title,
        "uri": account.uri,
        "url": f"{base}/@{account.name}",
        "bot": False,
        "locked": False,
        "note": "",
        "avatar": f"{base}/static/piazzetta.svg",
        "created_at": "2024-01-01T00:00:00.000Z",
    }


def content(text: str, base: str) -> str:
    """HTML as Mastodon makes it: paragraphs, line breaks, links for addresses, mentions and tags."""
    parts = [f"<p>{_linked(part, base)}</p>" for part in re.split(r"\n{2,}", text.strip()) if part]
    return "".join(parts).replace("\n", "<br />")


def _linked(text: str, base: str) -> str:
    """Links in a text, each found in what is not yet one."""
    finder = re.compile(f"(?P<url>{URL.pattern})|{MENTION.pattern}|{TAG.pattern}")
    done, start = "", 0
    for found in finder.finditer(text):
        done += html.escape(text[start : found.start()], quote=False) + _link(found, base)
        start = found.end()
    return done + html.escape(text[start:], quote=False)


def _link(found: re.Match[str], base: str) -> str:
    if url := found["url"]:
        return f'<a href="{html.escape(url)}" rel="nofollow noopener">{html.escape(url)}</a>'
    if tag := found["tag"]:
        return f'<a href="{base}/?tag={tag}" class="mention hashtag" rel="tag">#<span>{tag}</span></a>'
    name = found["name"]
    link = f'<a href="{base}/@{name}" class="u-url mention">@<span>{name}</span></a>'
    return f'<span class="h-card">{link}</span>'


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default


def _cut(entries: Sequence[T], number: Callable[[T], int], request: Request) -> list[T]:
    """One page of a list that is newest first. `min_id`: the oldest that are newer; `since_id`: the newest of them."""
    size = min(_number(request.first("limit"), 20), 40)
    below, since, after = (_number(request.first(name), -1) for name in ("max_id", "since_id", "min_id"))
    kept = [e for e in entries if (below < 0 or number(e) < below) and number(e) > max(since, after)]
    return kept[-size:] if after >= 0 else kept[:size]


def _links(request: Request, numbers: Sequence[int]) -> dict[str, str]:
    if not numbers:
        return {}
    keep = [pair for pair in request.query if pair[0] not in ("max_id", "since_id", "min_id")]
    older, newer = (urlencode([*keep, pair]) for pair in (("max_id", numbers[-1]), ("min_id", numbers[0])))
    here = f"{request.base}{request.path}"
    return {"Link": f'<{here}?{older}>; rel="next", <{here}?{newer}>; rel="prev"'}
