-- Frames that workers may have died of: who began to work on one, alone, and was not heard of again. A row is written
-- before such a frame is touched and removed when it is done with, or when the worker comes to wait for something, so in
-- quiet times the table is empty.
CREATE TABLE holdfast_suspects (
  frame_id     UUID        NOT NULL,
  beginning_id UUID        NOT NULL,
  -- Of the process: a worker that is started anew is another owner.
  owner_id     UUID        NOT NULL,
  worker       TEXT        NOT NULL,
  begun_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (frame_id, beginning_id)
);
