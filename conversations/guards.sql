-- What the database itself gives and refuses, for conversations. Applied after each migrate by accounts/roles.py.

-- ── rights ──────────────────────────────────────────────────────────────────────────────────────────────────────────
GRANT SELECT ON conversations_contact, conversations_contactidentity, conversations_thread, conversations_message, conversations_spell,
    conversations_event, conversations_label, conversations_threadlabel, conversations_threadread, conversations_reply,
    conversations_replyattempt, conversations_note, conversations_advice, conversations_calendarversion,
    conversations_targetversion, conversations_queuetally TO {staff};
GRANT INSERT ON conversations_message, conversations_event, conversations_threadlabel, conversations_threadread, conversations_reply,
    conversations_note TO {staff};
GRANT UPDATE ON conversations_thread, conversations_spell, conversations_threadread, conversations_reply TO {staff};
GRANT DELETE ON conversations_threadlabel TO {staff};
GRANT UPDATE (state, decided_by_id, decided_at, reason) ON conversations_advice TO {staff};

GRANT SELECT, INSERT, UPDATE ON conversations_contact, conversations_contactidentity, conversations_thread, conversations_message,
    conversations_spell TO {poller};
GRANT SELECT, INSERT ON conversations_event TO {poller};
GRANT SELECT ON conversations_reply, conversations_label, conversations_threadlabel, conversations_calendarversion,
    conversations_targetversion TO {poller};
GRANT SELECT, INSERT, UPDATE, DELETE ON conversations_queuetally TO {poller};
GRANT SELECT (id, state, thread_id, created_at), UPDATE (state) ON conversations_advice TO {poller};

-- The sender cannot read what the team or an adviser writes: nothing of it can leave by mistake.
GRANT SELECT, UPDATE ON conversations_reply, conversations_thread, conversations_spell TO {sender};
GRANT INSERT ON conversations_spell TO {staff}, {sender};  -- what was said after an answer that was recorded late
GRANT SELECT, INSERT ON conversations_replyattempt, conversations_message, conversations_event TO {sender};
GRANT UPDATE (reply_id) ON conversations_message TO {staff}, {sender};
GRANT SELECT ON conversations_contact, conversations_contactidentity, conversations_calendarversion, conversations_targetversion,
    conversations_threadlabel TO {sender};

-- A consultant reads what pages show of the public conversation: not how much advice is open, nor what the team put aside.
GRANT SELECT ON conversations_message, conversations_label, conversations_threadlabel TO {consultant};
GRANT SELECT (id, brand_id, contact_id, owner_id, network, subject, snippet, via, language, private, state, end_reason, version,
    last_message_at, waiting_since, due_at) ON conversations_thread TO {consultant};
GRANT SELECT (id, name, kind, since) ON conversations_contact TO {consultant};
GRANT SELECT (id, thread_id, parent_id, account_id, text, state, sent_at, remote_url, elsewhere) ON conversations_reply TO {consultant};
GRANT SELECT (id, thread_id, message_id, engagement_id, author_id, quote, kinds, matters, text, state, created_at, reason)
    ON conversations_advice TO {consultant};
GRANT INSERT (thread_id, message_id, engagement_id, author_id, quote, kinds, matters, text, state, created_at, reason,
    decided_by_id, decided_at) ON conversations_advice TO {consultant};
GRANT SELECT (id, url, title, text, html, warning, media, network, author_name, author_handle, author_url, published_at, discovered_at,
    edited_at, removed_at, language, visibility, hidden_words, external_id, in_reply_to, conversation_key, ours) ON listening_item TO {consultant};

-- ── rows: a consultant sees the public conversation of engaged brands, their engagement's advice, and nothing else ──
ALTER TABLE conversations_thread ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS thread_team ON conversations_thread;
CREATE POLICY thread_team ON conversations_thread TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS thread_engaged ON conversations_thread;
CREATE POLICY thread_engaged ON conversations_thread FOR SELECT TO {consultant}
    USING (NOT private AND brand_id = ANY ((SELECT ascolto_engaged_brands())::bigint[]));

ALTER TABLE conversations_message ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS message_team ON conversations_message;
CREATE POLICY message_team ON conversations_message TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS message_engaged ON conversations_message;
CREATE POLICY message_engaged ON conversations_message FOR SELECT TO {consultant}
    USING (EXISTS (SELECT 1 FROM conversations_thread t WHERE t.id = thread_id));

ALTER TABLE conversations_threadlabel ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS threadlabel_team ON conversations_threadlabel;
CREATE POLICY threadlabel_team ON conversations_threadlabel TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS threadlabel_engaged ON conversations_threadlabel;
CREATE POLICY threadlabel_engaged ON conversations_threadlabel FOR SELECT TO {consultant}
    USING (EXISTS (SELECT 1 FROM conversations_thread t WHERE t.id = thread_id));

ALTER TABLE conversations_label ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS label_team ON conversations_label;
CREATE POLICY label_team ON conversations_label TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS label_engaged ON conversations_label;
CREATE POLICY label_engaged ON conversations_label FOR SELECT TO {consultant} USING (brand_id = ANY ((SELECT ascolto_engaged_brands())::bigint[]));

ALTER TABLE conversations_contact ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS contact_team ON conversations_contact;
CREATE POLICY contact_team ON conversations_contact TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS contact_engaged ON conversations_contact;
CREATE POLICY contact_engaged ON conversations_contact FOR SELECT TO {consultant}
    USING (EXISTS (SELECT 1 FROM conversations_thread t WHERE t.contact_id = conversations_contact.id));

ALTER TABLE listening_item ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS item_team ON listening_item;
CREATE POLICY item_team ON listening_item TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS item_engaged ON listening_item;
CREATE POLICY item_engaged ON listening_item FOR SELECT TO {consultant}
    USING (visibility IN ('public', 'unlisted') AND EXISTS (SELECT 1 FROM conversations_message m WHERE m.item_id = listening_item.id));

ALTER TABLE conversations_reply ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS reply_team ON conversations_reply;
CREATE POLICY reply_team ON conversations_reply TO {staff}, {sender}, {poller} USING (true);
DROP POLICY IF EXISTS reply_engaged ON conversations_reply;
CREATE POLICY reply_engaged ON conversations_reply FOR SELECT TO {consultant}
    USING (state = 'sent' AND EXISTS (SELECT 1 FROM conversations_thread t WHERE t.id = thread_id));

ALTER TABLE conversations_advice ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS advice_team ON conversations_advice;
CREATE POLICY advice_team ON conversations_advice TO {staff}, {poller} USING (true);
DROP POLICY IF EXISTS advice_engaged ON conversations_advice;
CREATE POLICY advice_engaged ON conversations_advice FOR SELECT TO {consultant}
    USING (engagement_id = ANY ((SELECT ascolto_own_engagements())::bigint[]));
DROP POLICY IF EXISTS advice_own ON conversations_advice;
CREATE POLICY advice_own ON conversations_advice FOR INSERT TO {consultant}
    WITH CHECK (author_id = ascolto_actor() AND state = 'open' AND decided_by_id IS NULL AND decided_at IS NULL AND reason = ''
        AND engagement_id = ANY ((SELECT ascolto_own_engagements())::bigint[])
        AND EXISTS (SELECT 1 FROM conversations_message m JOIN conversations_thread t ON t.id = m.thread_id
                      JOIN accounts_engagement_brands b ON b.brand_id = t.brand_id
                     WHERE m.id = message_id AND t.id = conversations_advice.thread_id
                       AND b.engagement_id = conversations_advice.engagement_id));

-- ── replies: who may speak, and which moves there are (conversations/outbox.py holds the same table) ────────────────
CREATE OR REPLACE FUNCTION ascolto_reply_move(old_state text, new_state text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE old_state || '>' || new_state
        WHEN 'draft>queued' THEN 'staff'              WHEN 'draft>awaiting_approval' THEN 'staff'
        WHEN 'draft>cancelled' THEN 'staff'           WHEN 'awaiting_approval>queued' THEN 'staff'
        WHEN 'awaiting_approval>draft' THEN 'staff'   WHEN 'awaiting_approval>cancelled' THEN 'staff'
        WHEN 'queued>sending' THEN 'sender'           WHEN 'queued>draft' THEN 'staff'
        WHEN 'queued>held' THEN 'sender'              WHEN 'queued>cancelled' THEN 'staff'
        WHEN 'held>queued' THEN 'staff'               WHEN 'held>draft' THEN 'staff'
        WHEN 'held>cancelled' THEN 'staff'            WHEN 'sending>sent' THEN 'sender'
        WHEN 'sending>queued' THEN 'sender'           WHEN 'sending>held' THEN 'sender'
        WHEN 'sending>failed' THEN 'sender'           WHEN 'sending>uncertain' THEN 'sender'
        WHEN 'failed>queued' THEN 'staff'             WHEN 'failed>draft' THEN 'staff'
        WHEN 'uncertain>sent' THEN 'sender'           WHEN 'uncertain>queued' THEN 'sender'
        WHEN 'uncertain>needs_person' THEN 'sender'   WHEN 'needs_person>sent' THEN 'staff'
        WHEN 'needs_person>queued' THEN 'staff'       WHEN 'needs_person>cancelled' THEN 'staff'
    END $$;

CREATE OR REPLACE FUNCTION ascolto_reply_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE mover text; by_sender boolean := current_user = '{sender_name}';
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'A reply is never deleted.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT by_sender AND NOT ascolto_actor_is_staff() THEN
        RAISE EXCEPTION 'Only an active internal person speaks for the brand.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF by_sender OR NEW.author_id <> ascolto_actor() OR NEW.approver_id IS NOT NULL OR NOT (NEW.state = 'draft' OR (NEW.state = 'sent' AND NEW.elsewhere)) THEN
            RAISE EXCEPTION 'A reply begins as a draft of whoever writes it.' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.thread_id, NEW.author_id, NEW.elsewhere, NEW.created_at) IS DISTINCT FROM (OLD.thread_id, OLD.author_id, OLD.elsewhere, OLD.created_at)
       OR (OLD.state <> 'draft' OR by_sender OR OLD.author_id <> ascolto_actor())
           AND (NEW.text, NEW.parent_id, NEW.account_id, NEW.client_token)
               IS DISTINCT FROM (OLD.text, OLD.parent_id, OLD.account_id, OLD.client_token)
       OR OLD.state <> 'draft' AND NEW.state <> 'draft' AND NEW.payload IS DISTINCT FROM OLD.payload
       OR OLD.state <> 'awaiting_approval' AND NEW.approver_id IS DISTINCT FROM OLD.approver_id
       OR OLD.state = 'sent' AND (NEW.remote_id, NEW.remote_url, NEW.sent_at) IS DISTINCT FROM (OLD.remote_id, OLD.remote_url, OLD.sent_at)
       OR NEW.key <> OLD.key AND NOT (OLD.state || '>' || NEW.state IN ('needs_person>queued', 'draft>queued')) THEN
        RAISE EXCEPTION 'The words of a reply change in a draft only, by its author; what is out stays as it went.' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    mover := ascolto_reply_move(OLD.state, NEW.state);
    IF mover IS NULL THEN
        RAISE EXCEPTION 'A reply does not go from % to %.', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    ELSIF mover = 'sender' AND NOT by_sender OR mover = 'staff' AND NOT ascolto_actor_is_staff() THEN
        RAISE EXCEPTION 'From % to % is not yours to decide.', OLD.state, NEW.state USING ERRCODE = 'insufficient_privilege';
    ELSIF OLD.state = 'draft' AND NEW.state = 'queued' AND NEW.author_id <> ascolto_actor() THEN
        RAISE EXCEPTION 'Only its author sends a draft.' USING ERRCODE = 'insufficient_privilege';
    ELSIF OLD.state = 'awaiting_approval' AND NEW.state = 'queued' AND (NEW.approver_id IS NULL OR NEW.approver_id = NEW.author_id
          OR NEW.approver_id <> ascolto_actor()) THEN
        RAISE EXCEPTION 'A second colleague approves.' USING ERRCODE = 'insufficient_privilege';
    ELSIF NEW.state = 'sending' AND NOT EXISTS (SELECT 1 FROM accounts_person p JOIN listening_account a ON a.id = NEW.account_id
          WHERE p.id = NEW.author_id AND p.kind = 'staff' AND p.active AND a.state = 'active') THEN
        RAISE EXCEPTION 'Its author or its account may not speak now.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER reply_guard BEFORE INSERT OR UPDATE OR DELETE ON conversations_reply
    FOR EACH ROW EXECUTE FUNCTION ascolto_reply_guard();

-- ── threads: assignment and state are decisions of internal people; the machine only records what was said ──────────
CREATE OR REPLACE FUNCTION ascolto_thread_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.owner_id IS DISTINCT FROM (CASE WHEN TG_OP = 'UPDATE' THEN OLD.owner_id END) AND NOT ascolto_actor_is_staff() THEN
        RAISE EXCEPTION 'Only an active internal person assigns.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF current_user NOT IN ('{sender_name}', '{poller_name}') AND NOT ascolto_actor_is_staff() AND pg_trigger_depth() = 1 THEN
        RAISE EXCEPTION 'Only an active internal person triages.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER thread_guard BEFORE INSERT OR UPDATE ON conversations_thread
    FOR EACH ROW EXECUTE FUNCTION ascolto_thread_guard();

-- ── advice: internal people decide it; the thread shows how much is open ────────────────────────────────────────────
CREATE OR REPLACE FUNCTION ascolto_advice_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.state <> 'open'
       OR (NEW.text, NEW.quote, NEW.kinds, NEW.matters, NEW.author_id, NEW.engagement_id, NEW.thread_id, NEW.message_id, NEW.created_at)
           IS DISTINCT FROM
          (OLD.text, OLD.quote, OLD.kinds, OLD.matters, OLD.author_id, OLD.engagement_id, OLD.thread_id, OLD.message_id, OLD.created_at) THEN
        RAISE EXCEPTION 'Advice stays as it was given, and is decided once.' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state IN ('taken', 'declined')
       AND (NOT ascolto_actor_is_staff() OR NEW.decided_by_id IS DISTINCT FROM ascolto_actor()) THEN
        RAISE EXCEPTION 'Only an active internal person decides advice.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER advice_guard BEFORE UPDATE ON conversations_advice FOR EACH ROW EXECUTE FUNCTION ascolto_advice_guard();

CREATE OR REPLACE FUNCTION ascolto_advice_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE conversations_thread SET open_advice =
        (SELECT count(*) FROM conversations_advice WHERE thread_id = NEW.thread_id AND state = 'open') WHERE id = NEW.thread_id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER advice_count AFTER INSERT OR UPDATE OF state ON conversations_advice
    FOR EACH ROW EXECUTE FUNCTION ascolto_advice_count();

-- ── notes are signed by whoever writes them ─────────────────────────────────────────────────────────────────────────
CREATE OR REPLACE FUNCTION ascolto_note_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.author_id IS DISTINCT FROM ascolto_actor() OR NOT ascolto_actor_is_staff() THEN
        RAISE EXCEPTION 'A note is signed by the active internal person who writes it.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER note_guard BEFORE INSERT ON conversations_note FOR EACH ROW EXECUTE FUNCTION ascolto_note_guard();

-- ── exact counts at any size: a row for each change, summed when read, folded in the background ─────────────────────
CREATE OR REPLACE FUNCTION ascolto_tally() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.brand_id, NEW.queue, NEW.owner_id) IS NOT DISTINCT FROM (OLD.brand_id, OLD.queue, OLD.owner_id) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO conversations_queuetally (brand_id, queue, owner_id, delta) VALUES (OLD.brand_id, OLD.queue, OLD.owner_id, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO conversations_queuetally (brand_id, queue, owner_id, delta) VALUES (NEW.brand_id, NEW.queue, NEW.owner_id, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER thread_tally AFTER INSERT OR UPDATE OR DELETE ON conversations_thread
    FOR EACH ROW EXECUTE FUNCTION ascolto_tally();

CREATE OR REPLACE FUNCTION ascolto_outbox_waiting() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT count(*) FROM conversations_reply WHERE state IN ('queued', 'sending', 'uncertain') $$;
REVOKE EXECUTE ON FUNCTION ascolto_outbox_waiting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ascolto_outbox_waiting() TO {web};
