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

-- Topics are a manager's to decide.
CREATE OR REPLACE FUNCTION ascolto_topic_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF current_user = '{staff_name}' AND NOT EXISTS (SELECT 1 FROM accounts_person
        WHERE id = ascolto_actor() AND kind = 'staff' AND active AND role IN ('administrator', 'manager')) THEN
        RAISE EXCEPTION 'Only managers and administrators edit topics.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER topic_guard BEFORE INSERT OR UPDATE ON listening_topic
    FOR EACH ROW EXECUTE FUNCTION ascolto_topic_guard();

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
