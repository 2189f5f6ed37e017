-- Which epoch each claim was given, so that a redelivered claim is given the same one again.
CREATE TABLE holdfast_claims (
  object_id  VARCHAR(255) NOT NULL,
  claim_id   UUID         NOT NULL,
  epoch      BIGINT       NOT NULL,
  claimed_at TIMESTAMPTZ  NOT NULL DEFAULT now(),
  PRIMARY KEY (object_id, claim_id)
);
CREATE INDEX holdfast_claims_claimed_at ON holdfast_claims (claimed_at);
