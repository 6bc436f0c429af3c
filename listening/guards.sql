-- What the database itself gives and refuses, for listening. Applied after each migrate by accounts/roles.py.

-- The web process cannot read a credential; it has no way out to a network either.
GRANT SELECT ON listening_credential TO {sender}, {poller};

GRANT SELECT ON listening_account TO {staff}, {sender}, {poller};
GRANT UPDATE (state, state_words, facts, checked_at, scopes) ON listening_account TO {sender}, {poller};
GRANT SELECT (id, brand_id, kind, handle, name, url) ON listening_account TO {consultant};

GRANT SELECT ON listening_source, listening_topic, listening_item, listening_itemsource, listening_mention, listening_mentiontopic,
    listening_coverage, listening_fetch, listening_setasideitem TO {staff};
GRANT INSERT, UPDATE ON listening_source, listening_topic TO {staff};

GRANT SELECT, INSERT, UPDATE ON listening_source, listening_item, listening_itemsource, listening_mention, listening_mentiontopic,
    listening_coverage, listening_fetch, listening_setasideitem TO {poller};
GRANT DELETE ON listening_fetch, listening_coverage, listening_itemsource, listening_item, listening_source TO {poller};
GRANT SELECT ON listening_topic TO {poller};

GRANT SELECT ON listening_source, listening_item TO {sender};
GRANT INSERT, UPDATE (warm_until, next_poll_at, interval) ON listening_source TO {sender};

GRANT SELECT, INSERT, UPDATE ON listening_heartbeat TO {sender}, {poller};
GRANT SELECT ON listening_heartbeat TO {web}, {staff};

-- Health, for a process that may read nothing: a figure, and to nobody else.
CREATE OR REPLACE FUNCTION ascolto_oldest_due_seconds() RETURNS double precision LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT extract(epoch FROM clock_timestamp() - min(next_poll_at)) FROM listening_source
    WHERE state = 'active' AND (lease_until IS NULL OR lease_until < now()) $$;

REVOKE EXECUTE ON FUNCTION ascolto_oldest_due_seconds() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ascolto_oldest_due_seconds() TO {web};

ALTER TABLE listening_account ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS account_team ON listening_account;
CREATE POLICY account_team ON listening_account TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS account_engaged ON listening_account;
CREATE POLICY account_engaged ON listening_account FOR SELECT TO {consultant} USING (brand_id = ANY ((SELECT ascolto_engaged_brands())::bigint[]));
