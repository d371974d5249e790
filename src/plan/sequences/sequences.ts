/**
 * Sequences: the draft that people edit. Owns `sequences` and, with `publish.ts`, `sequence_versions`. In: requests of
 * the API and CLI. Out: drafts with how far they are from what is published. A draft may be anything of the right
 * shape; what may be sent is decided when it is published. Nothing here touches an enrollment.
 */
import { type Database, pgCode, type Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import type { Definition, SendingWindow, SequenceDraft } from './definition.ts';
import { ENROLLMENT_STATUSES, type EnrollmentStatus } from './lifecycle.ts';
import { refuseForeignSteps, withIds } from './step-ids.ts';

const ORDER = listOrder('sequences', ['uuid']);

const FOREIGN_KEY_VIOLATION = '23503';

export const SEQUENCE_STATUSES = ['draft', 'active', 'paused', 'archived'] as const;
export type SequenceStatus = (typeof SEQUENCE_STATUSES)[number];

export interface SequenceRow {
  id: Uuid;
  name: string;
  status: SequenceStatus;
  epoch: number;
  draft: Definition;
  published_version_id: Uuid | null;
  /** Number of the published version. */
  published_version: number | null;
  published_at: Date | null;
  /** Whether the draft says something else than the published version. */
  draft_differs: boolean;
  created_by: string;
  created_at: Date;
  updated_at: Date;
}

export type SequenceSummary = Omit<SequenceRow, 'draft' | 'published_version_id'> & { step_count: number };

/** What events do to it; as a version that says nothing of them means it. */
type EventSettings = Pick<Definition, 'goals' | 'exits' | 'enroll_on' | 'on_reply' | 'on_reply_scope'>;

export type Sequence = Omit<SequenceRow, 'draft' | 'published_version_id'> &
  Omit<Definition, 'window' | 'time_zone' | 'exclusive_group' | 'intake'> &
  Required<EventSettings> & {
    window: SendingWindow | null;
    time_zone: string | null;
    exclusive_group: string | null;
    intake: { per_day: number } | null;
    /** Enrollments by status. */
    enrollments: Record<EnrollmentStatus, number> & { total: number };
  };

/** Of a sequence `s` with its published version `v`. */
export const sequenceColumns: Sql = sql`s.id, s.name, s.status, s.epoch, s.draft, s.published_version_id, v.number AS published_version,
  v.published_at, v.definition IS DISTINCT FROM s.draft AS draft_differs, s.created_by, s.created_at, s.updated_at`;

export async function readSequence(tx: Tx, org: Uuid, id: Uuid): Promise<Sequence> {
  const row = await tx.maybe<SequenceRow>(sql`
    SELECT ${sequenceColumns} FROM sequences s
      LEFT JOIN sequence_versions v ON v.org_id = s.org_id AND v.id = s.published_version_id
     WHERE s.org_id = ${org} AND s.id = ${id}`);
  if (!row) throw notFound('sequence', id);
  const counts = await tx.rows<{ status: EnrollmentStatus; n: number }>(sql`
    SELECT status, count(*)::int AS n FROM enrollments WHERE org_id = ${org} AND sequence_id = ${id} GROUP BY status`);
  return shown(row, counts);
}

function shown(row: SequenceRow, counts: { status: EnrollmentStatus; n: number }[]): Sequence {
  const { draft, published_version_id: _version, ...own } = row;
  const byStatus = Object.fromEntries(ENROLLMENT_STATUSES.map((status) => [status, 0])) as Record<
    EnrollmentStatus,
    number
  >;
  let total = 0;
  for (const { status, n } of counts) {
    byStatus[status] = n;
    total += n;
  }
  return {
    ...own,
    ...draft,
    window: draft.window ?? null,
    time_zone: draft.time_zone ?? null,
    exclusive_group: draft.exclusive_group ?? null,
    intake: draft.intake ?? null,
    on_unsubscribe: draft.on_unsubscribe ?? 'end',
    ...eventSettings(draft),
    enrollments: { ...byStatus, total },
  };
}

function eventSettings({ goals, exits, enroll_on, on_reply, on_reply_scope }: Definition) {
  return {
    goals: goals ?? [],
    exits: exits ?? [],
    enroll_on: enroll_on ?? [],
    on_reply: on_reply ?? 'pause',
    on_reply_scope: on_reply_scope ?? 'contact',
  } satisfies Required<EventSettings>;
}

export async function getSequence(db: Database, ctx: Pick<Context, 'org'>, id: Uuid): Promise<Sequence> {
  return db.inOrg(ctx.org, (tx) => readSequence(tx, ctx.org, id));
}

export interface SequenceFilter extends PageRequest {
  status?: SequenceStatus | undefined;
}

/** Newest first. */
export async function listSequences(
  db: Database,
  ctx: Pick<Context, 'org'>,
  filter: SequenceFilter,
): Promise<Page<SequenceSummary>> {
  const after = positionOf(filter, ORDER)?.[0] ?? null;
  const status = filter.status ?? null;
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<SequenceSummary>(sql`
      SELECT s.id, s.name, s.status, s.epoch, v.number AS published_version, v.published_at,
             v.definition IS DISTINCT FROM s.draft AS draft_differs, jsonb_array_length(s.draft->'steps') AS step_count,
             s.created_by, s.created_at, s.updated_at
        FROM sequences s LEFT JOIN sequence_versions v ON v.org_id = s.org_id AND v.id = s.published_version_id
       WHERE s.org_id = ${ctx.org} AND (${after}::uuid IS NULL OR s.id < ${after}) AND (${status}::text IS NULL OR s.status = ${status})
       ORDER BY s.id DESC LIMIT ${filter.limit + 1}`),
  );
  return pageOf(rows, filter, ORDER, (row) => [row.id]);
}

export type NewSequence = SequenceDraft & { name: string };

/** @throws Problem invalid_request (steps of another sequence) */
export async function createSequence(db: Database, ctx: Context, wanted: NewSequence): Promise<Sequence> {
  const id = newId();
  const { name, ...given } = wanted;
  const draft = withIds(given);
  return db.inOrg(ctx.org, async (tx) => {
    await refuseForeignSteps(tx, ctx.org, id, given.steps);
    await tx.run(sql`
      INSERT INTO sequences (org_id, id, name, draft, created_by)
      VALUES (${ctx.org}, ${id}, ${name}, ${JSON.stringify(draft)}, ${actorText(ctx.actor)})`);
    await audit(tx, ctx, {
      action: 'sequence.create',
      subject_type: 'sequence',
      subject_id: id,
      data: { name, steps: draft.steps.length },
    });
    return readSequence(tx, ctx.org, id);
  });
}

type PatchOf<T> = { [K in keyof T]?: T[K] | undefined };

/** Only what is named changes; null takes a window or zone away; steps are replaced as a whole. */
export interface SequencePatch extends PatchOf<EventSettings> {
  name?: string | undefined;
  sender_ids?: Uuid[] | undefined;
  window?: SendingWindow | null | undefined;
  time_zone?: string | null | undefined;
  reenroll?: Definition['reenroll'] | undefined;
  on_unsubscribe?: Definition['on_unsubscribe'] | undefined;
  exclusive_group?: string | null | undefined;
  intake?: Definition['intake'] | null | undefined;
  steps?: SequenceDraft['steps'] | undefined;
}

/**
 * Changes the draft; what is published stays as it is until it is published again.
 * @throws Problem not_found, conflict (archived), invalid_request (steps of another sequence)
 */
export async function updateSequence(
  db: Database,
  ctx: Context,
  id: Uuid,
  patch: SequencePatch,
): Promise<Sequence> {
  return db.inOrg(ctx.org, async (tx) => {
    const before = await lockSequence(tx, ctx.org, id);
    if (before.status === 'archived')
      throw new Problem('conflict', 'The sequence is archived; restore it first');
    const { name = before.name, ...changes } = patch;
    const draft = withIds(changedDraft(before.draft, changes));
    await refuseForeignSteps(tx, ctx.org, id, patch.steps ?? []);
    // Compared by the database, to which the order of fields means nothing.
    const changed = await tx.run(sql`
      UPDATE sequences SET name = ${name}, draft = ${JSON.stringify(draft)}::jsonb, updated_at = now()
       WHERE org_id = ${ctx.org} AND id = ${id} AND (name <> ${name} OR draft <> ${JSON.stringify(draft)}::jsonb)`);
    if (changed > 0) {
      await audit(tx, ctx, {
        action: 'sequence.update',
        subject_type: 'sequence',
        subject_id: id,
        data: { fields: Object.keys(patch), steps: draft.steps.length },
      });
    }
    return readSequence(tx, ctx.org, id);
  });
}

function changedDraft(draft: Definition, changes: Omit<SequencePatch, 'name'>): SequenceDraft {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const next = { ...draft, ...Object.fromEntries(given) };
  return Object.fromEntries(Object.entries(next).filter(([, value]) => value !== null)) as SequenceDraft;
}

/** @throws Problem not_found */
export async function lockSequence(
  tx: Tx,
  org: Uuid,
  id: Uuid,
): Promise<{ name: string; status: SequenceStatus; draft: Definition }> {
  const row = await tx.maybe<{ name: string; status: SequenceStatus; draft: Definition }>(
    sql`SELECT name, status, draft FROM sequences WHERE org_id = ${org} AND id = ${id} FOR UPDATE`,
  );
  if (!row) throw notFound('sequence', id);
  return row;
}

/**
 * The foreign key of enrollments decides, also about one that comes in this very moment.
 * @throws Problem not_found, sequence_in_use when somebody was ever enrolled
 */
export async function deleteSequence(db: Database, ctx: Context, id: Uuid): Promise<void> {
  try {
    await db.inOrg(ctx.org, async (tx) => {
      const { name } = await lockSequence(tx, ctx.org, id);
      await tx.run(sql`DELETE FROM sequences WHERE org_id = ${ctx.org} AND id = ${id}`);
      await audit(tx, ctx, {
        action: 'sequence.delete',
        subject_type: 'sequence',
        subject_id: id,
        data: { name },
      });
    });
  } catch (cause) {
    if (pgCode(cause) !== FOREIGN_KEY_VIOLATION) throw cause;
    throw new Problem('sequence_in_use', 'Contacts were enrolled in it, and their history names it', {
      cause,
    });
  }
}
