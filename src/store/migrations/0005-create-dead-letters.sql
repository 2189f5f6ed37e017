-- Dead letters, moved here from their queue: a table can be listed, grouped and filtered without anybody losing a
-- message. A letter is open until it is replayed or dropped; closed ones are kept for the retention.
CREATE TABLE holdfast_dead_letters (
  -- The same for every delivery of the same failed command, so a letter that is moved twice is there once.
  letter_id       UUID        PRIMARY KEY,
  -- For people.
  number          BIGINT      GENERATED ALWAYS AS IDENTITY UNIQUE,
  failed_at       TIMESTAMPTZ NOT NULL,
  -- When the failed message was published, as far as its publisher said.
  published_at    TIMESTAMPTZ,
  moved_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
  code            TEXT        NOT NULL,
  object_id       TEXT,
  object_type     TEXT,
  version         BIGINT,
  -- '<number of partitions>.<partition>', as in the routing key.
  partition       TEXT,
  node            TEXT,
  -- The AMQP type property of the failed message.
  message_type    TEXT,
  headers         JSONB       NOT NULL,
  body            BYTEA       NOT NULL,
  replay_attempts INTEGER     NOT NULL DEFAULT 0,
  attempted_at    TIMESTAMPTZ,
  -- What the last attempt came to, whether or not it closed the letter.
  replay_outcome  TEXT,
  replayed_at     TIMESTAMPTZ,
  dropped_at      TIMESTAMPTZ
);
-- Pages, groups and every filter but that by object are read from this index alone: it has all that they ask for, and
-- a scan of a million entries takes a fraction of a second. An entry is at most 2.2 kB of the 2.7 kB that fit (type and
-- node of 255 characters of four bytes each).
CREATE INDEX holdfast_dead_letters_open ON holdfast_dead_letters (failed_at, number)
  INCLUDE (code, object_type, partition, node)
  WHERE replayed_at IS NULL AND dropped_at IS NULL;
-- The letters of one object; asked before its tombstone is forgotten.
CREATE INDEX holdfast_dead_letters_open_object ON holdfast_dead_letters (object_id)
  WHERE replayed_at IS NULL AND dropped_at IS NULL AND object_id IS NOT NULL;
-- The purge goes by the time of closing.
CREATE INDEX holdfast_dead_letters_closed ON holdfast_dead_letters (coalesce(replayed_at, dropped_at))
  WHERE replayed_at IS NOT NULL OR dropped_at IS NOT NULL;
-- Who replayed, dropped or edited what. Never purged.
CREATE TABLE holdfast_dead_letter_audit (
  audit_id    BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- NULL while it runs, and for ever if it was killed.
  finished_at TIMESTAMPTZ,
  who         TEXT        NOT NULL,
  action      TEXT        NOT NULL,
  filter      JSONB       NOT NULL,
  counts      JSONB       NOT NULL
);
