-- touch_variants: which arm of its step a message was composed with, written when it first passes the gate and never
-- changed. A table beside touches: steps without variants write nothing here, and the arms of one step lie together, so
-- that counting them reads no other step's touches.
CREATE TABLE touch_variants (
  org_id uuid NOT NULL,
  step_id uuid NOT NULL,
  touch_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  variant text NOT NULL,
  PRIMARY KEY (org_id, step_id, touch_id)
);

SELECT tenant_table('touch_variants', 'SELECT, INSERT');

ALTER TABLE touch_variants ALTER COLUMN org_id SET (n_distinct = 1);

-- variant_decisions: the winners of a step's arms, declared by its rule or by people, and taken back. Append-only; of a step
-- the highest n counts, and whoever decides takes the next n, so that of two who decide at once one does.
CREATE TABLE variant_decisions (
  org_id uuid NOT NULL,
  step_id uuid NOT NULL,
  n int NOT NULL CHECK (n > 0),
  sequence_id uuid NOT NULL,
  version_id uuid NOT NULL,
  -- null: there is no winner any more
  variant text,
  -- whether its rule may decide when there is no winner
  rule_decides boolean NOT NULL,
  by_rule boolean NOT NULL,
  -- the rule and the numbers at that moment
  rule jsonb,
  figures jsonb NOT NULL,
  reason text,
  decided_by text NOT NULL,
  decided_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, step_id, n),
  FOREIGN KEY (org_id, sequence_id) REFERENCES sequences (org_id, id) ON DELETE CASCADE,
  CONSTRAINT variant_decisions_open CHECK (variant IS NULL OR NOT rule_decides),
  CONSTRAINT variant_decisions_rule CHECK (NOT by_rule OR (variant IS NOT NULL AND rule IS NOT NULL))
);

SELECT tenant_table('variant_decisions', 'SELECT, INSERT');
