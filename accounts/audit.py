"""The audit trail: each decision and each release has a name. Ids only: no words of anybody stand here."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model


def record(actor_id: int | None, action: str, thing: Model | None, now: datetime, **meta: Any) -> None:
    """Adds an entry in the transaction of the decision itself; the database numbers and chains it at commit."""
    kind = thing._meta.model_name if thing else ""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO accounts_auditentry (at, actor_id, action, object_type, object_id, meta)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [now, actor_id, action, kind, thing.pk if thing else None, json.dumps(meta)],
        )


def first_bad_entry() -> int | None:
    """Walks the chain; gives the id of the first entry that does not agree with it (0: all of them are gone), or None
    when all is well. Whoever owns the tables can write a whole new chain: its head is to be kept elsewhere too.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.id FROM (
                SELECT a.*, lag(a.print, 1, '') OVER w AS expected_previous, row_number() OVER w AS expected_seq
                FROM accounts_auditentry a WINDOW w AS (ORDER BY a.seq NULLS LAST, a.id)) e
            JOIN accounts_auditentry a USING (id)
            WHERE a.seq IS DISTINCT FROM e.expected_seq OR a.previous IS DISTINCT FROM e.expected_previous
               OR a.print IS DISTINCT FROM ascolto_audit_print(a)
            ORDER BY e.seq NULLS LAST, e.id LIMIT 1
            """
        )
        row = cursor.fetchone()
        if row:
            return int(row[0])
        cursor.execute(  # what was cut off at the end: the head remembers it
            """SELECT coalesce(e.id, 0) FROM accounts_audithead h
               LEFT JOIN LATERAL (SELECT id, seq, print FROM accounts_auditentry ORDER BY seq DESC LIMIT 1) e ON true
               WHERE (h.seq, h.print) IS DISTINCT FROM (coalesce(e.seq, 0), coalesce(e.print, ''))"""
        )
        cut = cursor.fetchone()
        return int(cut[0]) if cut else None
