-- Frames that workers may have died of: how often one began to work on it, alone, and was not heard of again. A row is
-- written before such a frame is touched and removed when it is done with, so in quiet times the table is empty.
CREATE TABLE holdfast_suspects (
  frame_id UUID        PRIMARY KEY,
  begun    INTEGER     NOT NULL,
  begun_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
