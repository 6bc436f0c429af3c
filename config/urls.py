"""Every URL of the product, each with its sign: the capability it needs, the methods it answers (accounts/doors.py)."""

from functools import partial

from accounts.authority import Can
from accounts.doors import door
from accounts.passwords import SetPassword
from accounts.views import preferences, sessions
from conversations.views import consulting, inbox, live, moves, reports, writing
from conversations.views.frame import frame
from listening.views import sources, topics

INBOX = "b/<slug:brand>/inbox/<slug:queue>/"
THREAD = INBOX + "t/<int:pk>/"
READ, TRIAGE = Can.READ_CONVERSATIONS, Can.TRIAGE

urlpatterns = [
    door("", sessions.home, can=Can.BE_THEMSELVES, name="home"),
    door("login/", sessions.LogIn.as_view(), can=Can.BE_ANYONE, name="log-in", methods="GET POST"),
    door("logout/", sessions.log_out, can=Can.BE_ANYONE, name="log-out", methods="POST"),
    door(
        "password/<uidb64>/<token>/", SetPassword.as_view(), can=Can.BE_ANYONE, name="set-password", methods="GET POST"
    ),
    door("me/", preferences.preferences, can=Can.BE_THEMSELVES, name="preferences", methods="GET POST"),
    door("healthz", live.healthz, can=Can.BE_ANYONE, name="healthz"),
    door("readyz", live.readyz, can=Can.BE_ANYONE, name="readyz"),
    door("live/", live.moved, can=Can.BE_THEMSELVES, name="live"),
    # ── the inbox ──
    door(INBOX, inbox.inbox, can=READ, name="inbox"),
    door(THREAD, inbox.thread, can=READ, name="thread"),
    door(THREAD + "owner/", moves.assign, can=TRIAGE, name="thread-assign", methods="POST"),
    door(THREAD + "labels/", moves.label, can=TRIAGE, name="thread-label", methods="POST"),
    door(THREAD + "snooze/", moves.snooze, can=TRIAGE, name="thread-snooze", methods="POST"),
    door(THREAD + "closure/", moves.close, can=TRIAGE, name="thread-close", methods="POST"),
    door(THREAD + "reopening/", moves.reopen, can=TRIAGE, name="thread-reopen", methods="POST"),
    door(THREAD + "undo/<int:event_id>/", moves.undo, can=TRIAGE, name="thread-undo", methods="POST"),
    door(THREAD + "draft/", writing.draft, can=Can.REPLY, name="thread-draft", methods="POST"),
    door(THREAD + "reply/", writing.reply, can=Can.REPLY, name="thread-reply", methods="POST"),
    door(THREAD + "reply/<int:reply_id>/undo/", writing.reply_undo, can=Can.REPLY, name="reply-undo", methods="POST"),
    door(
        THREAD + "reply/<int:reply_id>/decision/",
        writing.reply_decide,
        can=Can.REPLY,
        name="reply-decide",
        methods="POST",
    ),
    door(THREAD + "answered-there/", writing.answered, can=Can.REPLY, name="thread-answered", methods="POST"),
    door(THREAD + "notes/", writing.note, can=Can.WRITE_NOTES, name="thread-note", methods="POST"),
    door(
        THREAD + "advice/<int:advice_id>/",
        writing.advice_decide,
        can=Can.DECIDE_ADVICE,
        name="advice-decide",
        methods="POST",
    ),
    # ── reports and sources ──
    door("b/<slug:brand>/reports/", reports.report, can=Can.READ_REPORTS, name="reports"),
    door("b/<slug:brand>/reports/spells.csv", reports.csv, can=Can.READ_REPORTS, name="report-csv"),
    door("b/<slug:brand>/reports/list/", reports.listed, can=Can.READ_REPORTS, name="report-list"),
    door("b/<slug:brand>/sources/", partial(sources.sources, frame=frame), can=Can.READ_SOURCES, name="sources"),
    door("b/<slug:brand>/sources/<int:pk>/", partial(sources.source, frame=frame), can=Can.READ_SOURCES, name="source"),
    door(
        "b/<slug:brand>/topics/new/",
        partial(topics.new, frame=frame),
        can=Can.EDIT_LISTENING,
        name="topic-new",
        methods="GET POST",
    ),
    door(
        "b/<slug:brand>/topics/<int:pk>/",
        partial(topics.topic, frame=frame),
        can=Can.EDIT_LISTENING,
        name="topic",
        methods="GET POST",
    ),
    # ── consultants: their own area ──
    door("consult/<slug:brand>/", consulting.threads, can=Can.CONSULT, name="consult-threads"),
    door("consult/<slug:brand>/t/<int:pk>/", consulting.thread, can=Can.CONSULT, name="consult-thread"),
    door(
        "consult/<slug:brand>/t/<int:pk>/advice/",
        consulting.advise,
        can=Can.ADVISE,
        name="consult-advise",
        methods="POST",
    ),
]

handler404 = "accounts.views.sessions.not_found"
