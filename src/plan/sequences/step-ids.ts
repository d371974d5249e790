/**
 * The identities of steps [SEQ-1]: a step keeps the id it came with, one without gets a fresh one. An id stays with
 * its sequence: reports and the moves of enrollments between versions go by it.
 */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { CHANNELS } from '../../kernel/channels.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { type FieldError, Problem } from '../../kernel/problem.ts';
import type { Definition, SequenceDraft } from './definition.ts';

/** Ids in one spelling, and one for every step, and who carries it out. */
export function withIds(draft: SequenceDraft): Definition {
  return {
    ...draft,
    sender_ids: draft.sender_ids.map((id) => id.toLowerCase()),
    steps: draft.steps.map((step) => ({
      ...step,
      id: step.id?.toLowerCase() ?? newId(),
      mode: step.mode ?? (CHANNELS[step.channel].by === 'person' ? 'human' : 'automatic'),
    })),
  };
}

/**
 * `steps` as they were given: those without an id cannot be anybody's.
 * @throws Problem invalid_request for steps that belong to another sequence
 */
export async function refuseForeignSteps(
  tx: Tx,
  org: Uuid,
  sequence: Uuid,
  steps: SequenceDraft['steps'],
): Promise<void> {
  const given = steps.map((step) => step.id?.toLowerCase());
  const ids = given.filter((id) => id !== undefined);
  if (ids.length === 0) return;
  // Most edits bring the sequence's own steps back; only for others are all sequences looked through.
  const own = await tx.rows<{ id: Uuid }>(sql`
    SELECT step->>'id' AS id FROM sequences s, jsonb_array_elements(s.draft->'steps') step WHERE s.org_id = ${org} AND s.id = ${sequence}`);
  const known = new Set(own.map((row) => row.id));
  const strange = ids.filter((id) => !known.has(id));
  if (strange.length === 0) return;
  const rows = await tx.rows<{ id: Uuid }>(sql`
    SELECT step->>'id' AS id FROM sequences s, jsonb_array_elements(s.draft->'steps') step
     WHERE s.org_id = ${org} AND s.id <> ${sequence} AND step->>'id' = ANY (${strange})
    UNION
    SELECT step->>'id' FROM sequence_versions v, jsonb_array_elements(v.definition->'steps') step
     WHERE v.org_id = ${org} AND v.sequence_id <> ${sequence} AND step->>'id' = ANY (${strange})`);
  if (rows.length === 0) return;
  const foreign = new Set<string | undefined>(rows.map((row) => row.id));
  const message = 'A step of another sequence; leave the id out';
  const errors: FieldError[] = given.flatMap((id, i) =>
    foreign.has(id) ? [{ field: `steps[${i}].id`, code: 'foreign_step', message }] : [],
  );
  throw new Problem('invalid_request', 'A step belongs to another sequence', { errors });
}
