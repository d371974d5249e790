/**
 * Publishing [SEQ-1]: the draft becomes an immutable version, which new enrollments get; those under way keep theirs.
 * It is checked outside any transaction, then written only if neither the draft nor its senders changed meanwhile.
 */
import { typesOfAttributes } from '../../contacts/attribute-definition.ts';
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { knownTemplates } from '../../senders/templates.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { readPlanning } from './calendar.ts';
import type { Definition } from './definition.ts';
import { type PublishWorld, publishCheck } from './publish-check.ts';
import { trialErrors } from './publish-trial.ts';
import { readSequence, type Sequence, type SequenceStatus } from './sequences.ts';
import { watchRules } from './variants/decide.ts';

export interface PublishedVersion {
  id: Uuid;
  number: number;
  published_by: string;
  published_at: Date;
}

export interface Published {
  sequence: Sequence;
  version: PublishedVersion;
  /** False: the draft was what is published already. */
  changed: boolean;
}

/** How often it is checked anew because somebody edited the draft or a sender meanwhile. */
const MAX_ROUNDS = 5;

/**
 * `forbidden`: in words why a URL may not be called from this installation, or null.
 * @throws Problem not_found, conflict (archived), sequence_invalid with every problem in `errors`
 */
export async function publishSequence(
  db: Database,
  ctx: Context,
  id: Uuid,
  forbidden: PublishWorld['forbidden'],
): Promise<Published> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const draft = await checkedDraft(db, ctx, id, forbidden);
    const published = await write(db, ctx, id, draft);
    if (published) return published;
  }
  throw new Problem('conflict', 'The sequence kept changing while it was published; try again');
}

async function checkedDraft(
  db: Database,
  ctx: Context,
  id: Uuid,
  forbidden: PublishWorld['forbidden'],
): Promise<Definition> {
  const { draft, types, world } = await db.inOrg(ctx.org, async (tx) => {
    const row = await tx.maybe<{ status: SequenceStatus; draft: Definition }>(
      sql`SELECT status, draft FROM sequences WHERE org_id = ${ctx.org} AND id = ${id}`,
    );
    if (!row) throw notFound('sequence', id);
    refuseArchived(row.status);
    const planning = await readPlanning(tx, ctx.org, row.draft.sender_ids);
    const types = await typesOfAttributes(tx, ctx);
    const templates = await templatesFor(tx, ctx, row.draft);
    return { draft: row.draft, types, world: { planning, attributes: types, templates, forbidden } };
  });
  const { errors: found, sound } = publishCheck(draft, world);
  const errors = [...found, ...(await trialErrors(sound, types))];
  if (errors.length === 0) return draft;
  const count = errors.length === 1 ? 'One problem' : `${errors.length} problems`;
  throw new Problem('sequence_invalid', `${count}; nothing was published`, { errors });
}

/** Most sequences name none. */
async function templatesFor(tx: Tx, ctx: Context, { sender_ids, steps }: Definition) {
  return steps.some((step) => step.channel === 'whatsapp')
    ? knownTemplates(tx, ctx.org, sender_ids)
    : new Map();
}

function refuseArchived(status: SequenceStatus): void {
  if (status === 'archived') throw new Problem('conflict', 'The sequence is archived; restore it first');
}

/** Null: something changed since it was checked. */
async function write(db: Database, ctx: Context, id: Uuid, checked: Definition): Promise<Published | null> {
  return db.inOrg(ctx.org, async (tx) => {
    const row = await tx.maybe<{ status: SequenceStatus; same: boolean; current: Uuid | null }>(sql`
      SELECT status, draft = ${JSON.stringify(checked)}::jsonb AS same, published_version_id AS current
        FROM sequences WHERE org_id = ${ctx.org} AND id = ${id} FOR UPDATE`);
    if (!row) throw notFound('sequence', id);
    refuseArchived(row.status);
    if (!row.same) return null;
    // Held until the version is there to see: who archives a sender then finds this sequence.
    const senders = await tx.rows<{ status: string }>(sql`
      SELECT status FROM senders WHERE org_id = ${ctx.org} AND id = ANY (${checked.sender_ids}) ORDER BY id FOR SHARE`);
    if (
      senders.length < checked.sender_ids.length ||
      senders.some((sender) => sender.status === 'archived')
    ) {
      return null;
    }
    const known = await tx.maybe<PublishedVersion>(sql`
      SELECT id, number, published_by, published_at FROM sequence_versions
       WHERE org_id = ${ctx.org} AND id = ${row.current} AND definition = ${JSON.stringify(checked)}::jsonb`);
    if (known) return { sequence: await readSequence(tx, ctx.org, id), version: known, changed: false };
    const version = await tx.one<PublishedVersion>(sql`
      INSERT INTO sequence_versions (org_id, id, sequence_id, number, definition, published_by)
      SELECT ${ctx.org}, ${newId()}, ${id}, coalesce(max(number), 0) + 1, ${JSON.stringify(checked)}, ${actorText(ctx.actor)}
        FROM sequence_versions WHERE org_id = ${ctx.org} AND sequence_id = ${id}
      RETURNING id, number, published_by, published_at`);
    await tx.run(sql`
      UPDATE sequences SET published_version_id = ${version.id}, status = CASE status WHEN 'draft' THEN 'active' ELSE status END,
             updated_at = now()
       WHERE org_id = ${ctx.org} AND id = ${id}`);
    await watchRules(tx, ctx.org, id, checked);
    await audit(tx, ctx, {
      action: 'sequence.publish',
      subject_type: 'sequence',
      subject_id: id,
      data: { version: version.number },
    });
    return { sequence: await readSequence(tx, ctx.org, id), version, changed: true };
  });
}
