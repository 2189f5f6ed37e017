/**
 * What the harness puts into the scratch database: an audit trail of every change, written by triggers in the same
 * transaction, and two places where a fault can wait for a transaction. Nothing of it is known to what is tested.
 *
 * Triggers of rows, since one of statements on the objects would keep workers from presuming anything (upsert-obstacles.ts), and
 * how most saves are written would not be tried. Rows of one object are locked until commit, so `seq` rises in the order of
 * commits for each object.
 */

/** Advisory locks of the hooks, in a namespace of their own. */
export const HOOK_NAMESPACE = 1_667_785_071;
/** Held by a fault, every writing transaction stops here, before its commit. */
export const HOOK_BEFORE_COMMIT = 1;
/** Plus the number of a worker: held by a fault, the transactions of that worker stop at the same place. */
export const HOOK_WORKER = 100;
/** Held by a fault, every committed transaction is told on channel `chaos_committed` with its application name. */
export const HOOK_COMMITTED = 2;
export const COMMITTED_CHANNEL = 'chaos_committed';

export const AUDIT_SQL = `
CREATE TABLE chaos_audit (
  seq       BIGINT GENERATED ALWAYS AS IDENTITY,
  change    SMALLINT NOT NULL,
  object_id VARCHAR(255) NOT NULL,
  version   BIGINT NOT NULL,
  epoch     BIGINT NOT NULL,
  nonce     BIGINT NOT NULL,
  -- For people who look for the cause of a violation.
  changed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  worker     TEXT NOT NULL DEFAULT current_setting('application_name')
);

CREATE FUNCTION chaos_hooks() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock_shared(${HOOK_NAMESPACE}, ${HOOK_COMMITTED}) THEN
    PERFORM pg_notify('${COMMITTED_CHANNEL}', current_setting('application_name'));
  END IF;
  PERFORM pg_advisory_xact_lock_shared(${HOOK_NAMESPACE}, ${HOOK_BEFORE_COMMIT});
  PERFORM pg_advisory_xact_lock_shared(
    ${HOOK_NAMESPACE}, ${HOOK_WORKER} + coalesce(substring(current_setting('application_name') from '[0-9]+$')::integer, 0));
END $$;

CREATE FUNCTION chaos_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO chaos_audit (change, object_id, version, epoch, nonce)
    VALUES (1, OLD.object_id, OLD.version, OLD.epoch, 0);
  ELSE
    INSERT INTO chaos_audit (change, object_id, version, epoch, nonce)
    VALUES (0, NEW.object_id, NEW.version, NEW.epoch, coalesce((NEW.data->>'n')::bigint, 0));
  END IF;
  PERFORM chaos_hooks();
  RETURN NULL;
END $$;

CREATE FUNCTION chaos_audit_tombstone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed holdfast_tombstones := coalesce(NEW, OLD);
BEGIN
  INSERT INTO chaos_audit (change, object_id, version, epoch, nonce)
  VALUES (CASE TG_OP WHEN 'DELETE' THEN 3 ELSE 2 END, changed.object_id, changed.version, changed.epoch, 0);
  PERFORM chaos_hooks();
  RETURN NULL;
END $$;

CREATE TRIGGER chaos_row AFTER INSERT OR UPDATE OR DELETE ON goverse_objects
  FOR EACH ROW EXECUTE FUNCTION chaos_audit_row();
CREATE TRIGGER chaos_tombstone AFTER INSERT OR UPDATE OR DELETE ON holdfast_tombstones
  FOR EACH ROW EXECUTE FUNCTION chaos_audit_tombstone();

-- What only the database refuses.
ALTER TABLE goverse_objects ADD CONSTRAINT chaos_refused CHECK (NOT data ? 'refused');
`;
