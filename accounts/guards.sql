-- What the database itself refuses, for accounts. Applied after each migrate by accounts/roles.py; every statement may run again.
-- The search path of each function ends with pg_temp: else a temporary table named like ours would be read instead.
-- {web}, {staff}, {consultant}, {sender}, {poller} stand for this database's roles.

-- ── who acts ────────────────────────────────────────────────────────────────────────────────────────────────────────
CREATE OR REPLACE FUNCTION ascolto_actor() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('ascolto.actor', true), '')::bigint $$;

CREATE OR REPLACE FUNCTION ascolto_actor_is_staff() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT EXISTS (SELECT 1 FROM accounts_person WHERE id = ascolto_actor() AND kind = 'staff' AND active) $$;

-- The brands that the actor is engaged for at this moment.
CREATE OR REPLACE FUNCTION ascolto_engaged_brands() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT coalesce(array_agg(DISTINCT b.brand_id), '{}')
     FROM accounts_engagement e
     JOIN accounts_engagement_brands b ON b.engagement_id = e.id
     JOIN accounts_engagement_consultants c ON c.engagement_id = e.id
     JOIN accounts_person p ON p.id = c.person_id AND p.active
    WHERE c.person_id = ascolto_actor()
      AND e.starts_at <= now() AND e.ends_at > now() AND (e.ended_at IS NULL OR e.ended_at > now()) $$;

CREATE OR REPLACE FUNCTION ascolto_own_engagements() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT coalesce(array_agg(DISTINCT e.id), '{}')
     FROM accounts_engagement e
     JOIN accounts_engagement_consultants c ON c.engagement_id = e.id
     JOIN accounts_person p ON p.id = c.person_id AND p.active
    WHERE c.person_id = ascolto_actor()
      AND e.starts_at <= now() AND e.ends_at > now() AND (e.ended_at IS NULL OR e.ended_at > now()) $$;

-- Whom a consultant knows: oneself, the sponsor, those engaged together, and the teams of the engaged brands.
CREATE OR REPLACE FUNCTION ascolto_people_known() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT array_agg(known.id) FROM (
       SELECT ascolto_actor() AS id
       UNION SELECT sponsor_id FROM accounts_engagement WHERE id = ANY (ascolto_own_engagements())
       UNION SELECT person_id FROM accounts_engagement_consultants WHERE engagement_id = ANY (ascolto_own_engagements())
       UNION SELECT staff_id FROM accounts_membership WHERE brand_id = ANY (ascolto_engaged_brands())) known $$;

-- All that a consultant may still know when the engagement is over: its end, its brands' names, and whom to write to.
CREATE OR REPLACE FUNCTION ascolto_last_engagement()
RETURNS TABLE (ended_at timestamptz, brand_names text, sponsor_name text, sponsor_email text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT least(e.ends_at, coalesce(e.ended_at, e.ends_at)),
          (SELECT string_agg(n.name, ', ' ORDER BY n.name) FROM accounts_engagement_brands b JOIN accounts_brand n ON n.id = b.brand_id
            WHERE b.engagement_id = e.id), s.name, s.email
     FROM accounts_engagement e
     JOIN accounts_engagement_consultants c ON c.engagement_id = e.id AND c.person_id = ascolto_actor()
     JOIN accounts_person s ON s.id = e.sponsor_id
    WHERE least(e.ends_at, coalesce(e.ended_at, e.ends_at)) <= now()
    ORDER BY 1 DESC LIMIT 1 $$;

-- ── a person's kind never changes, and only internal people are staff ───────────────────────────────────────────────
CREATE OR REPLACE FUNCTION ascolto_kind_is_for_ever() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.kind IS DISTINCT FROM OLD.kind THEN
        RAISE EXCEPTION 'A person''s kind never changes: who joins the company gets a new account.' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER person_kind BEFORE UPDATE ON accounts_person FOR EACH ROW EXECUTE FUNCTION ascolto_kind_is_for_ever();

DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'staff_is_internal') THEN
        ALTER TABLE accounts_staff ADD CONSTRAINT staff_is_internal
            FOREIGN KEY (person_id, kind) REFERENCES accounts_person (id, kind);
    END IF;
END $$;

-- ── the audit trail: append only, chained at commit ─────────────────────────────────────────────────────────────────
INSERT INTO accounts_audithead (id, seq, print) VALUES (1, 0, '') ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION ascolto_audit_print(e accounts_auditentry) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT encode(sha256(convert_to(jsonb_build_array(e.previous, e.seq, extract(epoch FROM e.at), e.actor_id, e.action,
                                                     e.object_type, e.object_id, e.meta)::text, 'UTF8')), 'hex') $$;

-- Deferred: the head is locked while a commit ends, not while a page renders.
CREATE OR REPLACE FUNCTION ascolto_audit_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE head accounts_audithead; entry accounts_auditentry;
BEGIN
    SELECT * INTO head FROM accounts_audithead WHERE id = 1 FOR UPDATE;
    SELECT * INTO entry FROM accounts_auditentry WHERE id = NEW.id;
    entry.seq := head.seq + 1;
    entry.previous := head.print;
    entry.print := ascolto_audit_print(entry);
    UPDATE accounts_auditentry SET seq = entry.seq, previous = entry.previous, print = entry.print WHERE id = NEW.id;
    UPDATE accounts_audithead SET seq = entry.seq, print = entry.print WHERE id = 1;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS audit_chain ON accounts_auditentry;
CREATE CONSTRAINT TRIGGER audit_chain AFTER INSERT ON accounts_auditentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ascolto_audit_chain();

CREATE OR REPLACE FUNCTION ascolto_audit_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.seq IS NULL AND NEW.seq IS NOT NULL
       AND (NEW.id, NEW.at, NEW.actor_id, NEW.action, NEW.object_type, NEW.object_id, NEW.meta)
           IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.actor_id, OLD.action, OLD.object_type, OLD.object_id, OLD.meta) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The audit trail is append-only.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION ascolto_audit_stays();
CREATE OR REPLACE TRIGGER audit_stays_whole BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION ascolto_audit_stays();

-- Whoever acts as a person signs as that person, a consultant their advice alone; the machine signs as nobody.
CREATE OR REPLACE FUNCTION ascolto_audit_signed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.actor_id IS DISTINCT FROM ascolto_actor() OR NEW.seq IS NOT NULL THEN
        RAISE EXCEPTION 'An audit entry is signed by whoever acts.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF current_user = '{consultant_name}' AND NEW.action <> 'advice.given' THEN
        RAISE EXCEPTION 'A consultant gives advice and decides nothing.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER audit_signed BEFORE INSERT ON accounts_auditentry FOR EACH ROW EXECUTE FUNCTION ascolto_audit_signed();

-- ── rights ──────────────────────────────────────────────────────────────────────────────────────────────────────────
GRANT SELECT ON accounts_login, accounts_person, accounts_staff TO {web};
GRANT UPDATE (password, last_login) ON accounts_login TO {web};
GRANT SELECT, INSERT, UPDATE, DELETE ON django_session TO {web};
GRANT SELECT, INSERT, UPDATE, DELETE ON axes_accessattempt, axes_accesslog, axes_accessfailurelog, axes_accessattemptexpiration TO {web};
GRANT INSERT ON accounts_auditentry TO {web};
GRANT SELECT ON django_migrations TO {web}, {sender}, {poller};

GRANT SELECT ON accounts_person, accounts_staff, accounts_brand, accounts_membership, accounts_agency, accounts_engagement,
    accounts_engagement_brands, accounts_engagement_consultants, accounts_auditentry TO {staff};
GRANT UPDATE (language, zone, theme) ON accounts_person TO {staff}, {consultant};
GRANT INSERT ON accounts_auditentry TO {staff}, {consultant}, {sender}, {poller};
GRANT SELECT (id) ON accounts_auditentry TO {web}, {consultant}, {sender}, {poller};

GRANT SELECT (id, name, kind, role, active, language, zone, theme) ON accounts_person TO {consultant};
GRANT SELECT ON accounts_staff, accounts_brand, accounts_agency, accounts_engagement, accounts_engagement_brands,
    accounts_engagement_consultants TO {consultant};

GRANT SELECT ON accounts_person, accounts_staff, accounts_brand TO {sender}, {poller};

ALTER TABLE accounts_person ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS person_seen ON accounts_person;
DROP POLICY IF EXISTS person_team ON accounts_person;
CREATE POLICY person_team ON accounts_person FOR SELECT TO {web}, {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS person_known ON accounts_person;
CREATE POLICY person_known ON accounts_person FOR SELECT TO {consultant}
    USING (id = ANY ((SELECT ascolto_people_known())::bigint[]));
DROP POLICY IF EXISTS person_own ON accounts_person;
CREATE POLICY person_own ON accounts_person FOR UPDATE TO {staff}, {consultant}
    USING (id = ascolto_actor() AND active) WITH CHECK (id = ascolto_actor() AND active);

ALTER TABLE accounts_staff ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS staff_team ON accounts_staff;
CREATE POLICY staff_team ON accounts_staff FOR SELECT TO {web}, {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS staff_known ON accounts_staff;
CREATE POLICY staff_known ON accounts_staff FOR SELECT TO {consultant}
    USING (person_id = ANY ((SELECT ascolto_people_known())::bigint[]));

ALTER TABLE accounts_agency ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS agency_team ON accounts_agency;
CREATE POLICY agency_team ON accounts_agency FOR SELECT TO {staff} USING (true);
DROP POLICY IF EXISTS agency_own ON accounts_agency;
CREATE POLICY agency_own ON accounts_agency FOR SELECT TO {consultant}
    USING (EXISTS (SELECT 1 FROM accounts_engagement e WHERE e.agency_id = accounts_agency.id));

ALTER TABLE accounts_brand ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS brand_team ON accounts_brand;
CREATE POLICY brand_team ON accounts_brand FOR SELECT TO {web}, {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS brand_engaged ON accounts_brand;
CREATE POLICY brand_engaged ON accounts_brand FOR SELECT TO {consultant} USING (id = ANY ((SELECT ascolto_engaged_brands())::bigint[]));

ALTER TABLE accounts_engagement ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS engagement_team ON accounts_engagement;
CREATE POLICY engagement_team ON accounts_engagement FOR SELECT TO {staff} USING (true);
DROP POLICY IF EXISTS engagement_own ON accounts_engagement;
CREATE POLICY engagement_own ON accounts_engagement FOR SELECT TO {consultant} USING (id = ANY ((SELECT ascolto_own_engagements())::bigint[]));
ALTER TABLE accounts_engagement_brands ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS engagement_brands_team ON accounts_engagement_brands;
CREATE POLICY engagement_brands_team ON accounts_engagement_brands FOR SELECT TO {staff} USING (true);
DROP POLICY IF EXISTS engagement_brands_own ON accounts_engagement_brands;
CREATE POLICY engagement_brands_own ON accounts_engagement_brands FOR SELECT TO {consultant}
    USING (engagement_id = ANY ((SELECT ascolto_own_engagements())::bigint[]));
ALTER TABLE accounts_engagement_consultants ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS engagement_consultants_team ON accounts_engagement_consultants;
CREATE POLICY engagement_consultants_team ON accounts_engagement_consultants FOR SELECT TO {staff} USING (true);
DROP POLICY IF EXISTS engagement_consultants_own ON accounts_engagement_consultants;
CREATE POLICY engagement_consultants_own ON accounts_engagement_consultants FOR SELECT TO {consultant}
    USING (engagement_id = ANY ((SELECT ascolto_own_engagements())::bigint[]));
