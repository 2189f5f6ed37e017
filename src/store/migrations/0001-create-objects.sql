-- The table of live objects, as Goverse defines it, and what Holdfast adds: the version and epoch of each row.
-- A table made by Goverse, of the first days (without next_rcseq) or today's, is adopted in place: constant defaults
-- need no rewrite of the rows (PostgreSQL manual, ALTER TABLE, Notes).
CREATE TABLE IF NOT EXISTS goverse_objects (
  object_id   VARCHAR(255) PRIMARY KEY,
  object_type VARCHAR(255) NOT NULL,
  data        JSONB        NOT NULL,
  next_rcseq  BIGINT       NOT NULL DEFAULT 0,
  created_at  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP
);
ALTER TABLE goverse_objects
  ADD COLUMN IF NOT EXISTS next_rcseq BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS version    BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS epoch      BIGINT NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS idx_goverse_objects_type ON goverse_objects (object_type);
CREATE INDEX IF NOT EXISTS idx_goverse_objects_updated_at ON goverse_objects (updated_at);
