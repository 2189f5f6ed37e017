-- What is known of objects that have no row: the version of their delete, and their epoch. They are kept apart from
-- goverse_objects so that a reader who knows nothing of Holdfast sees the live objects and only those.
-- version 0: the object was claimed, but never stored.
CREATE TABLE holdfast_tombstones (
  object_id  VARCHAR(255) PRIMARY KEY,
  version    BIGINT       NOT NULL,
  epoch      BIGINT       NOT NULL,
  changed_at TIMESTAMPTZ  NOT NULL DEFAULT now()
);
-- The purge goes by age.
CREATE INDEX holdfast_tombstones_changed_at ON holdfast_tombstones (changed_at);
