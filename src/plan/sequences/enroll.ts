/**
 * Enrolling: one contact or a batch, the same path (SEQ-3, SEQ-4, SEQ-5). Reads what decides in one statement,
 * decides here, writes enrollments and first touches in one function call. A contact that turned unreachable in
 * between is caught by the gate; one enrolled twice in between by the constraint.
 */
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { wake } from '../../ledger/wake.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { type Planning, readPlanning, senderFor } from './calendar.ts';
import type { EnrollmentStatus } from './lifecycle.ts';
import { opening, plannedTouch } from './next.ts';
import type { Version, VersionCache } from './versions.ts';

/** Contacts in one call; larger lists go through a job. */
export const MAX_ENROLL_BATCH = 5_000;
const DAY_MS = 86_400_000;

export type Refused =
  | 'unknown_contact'
  | 'no_address'
  | 'suppressed'
  | 'opted_out'
  | 'no_consent'
  | 'bad_schedule';
export type Skipped = 'already_enrolled' | 'enrolled_before' | 'enrolled_recently' | 'duplicate';

export type EnrollResult = { contact_id: Uuid } & (
  | { result: 'enrolled'; enrollment_id: Uuid }
  | { result: 'skipped'; reason: Skipped; enrollment_id: Uuid | null }
  | { result: 'refused'; reason: Refused }
);

export interface EnrollInput {
  sequence_id: Uuid;
  contact_ids: readonly Uuid[];
  /** Overrides the sequence's rule for contacts that were enrolled before. */
  policy?: 'never' | 'if_ended' | undefined;
  job_id?: Uuid | null;
  now?: Date | null;
}

interface Candidate {
  id: Uuid;
  email: string | null;
  suppressed: boolean;
  consent: 'granted' | 'revoked' | null;
  enrollment_id: Uuid | null;
  enrollment_status: EnrollmentStatus | null;
  ended_at: Date | null;
}

interface Target {
  version: Version;
  planning: Planning;
}

export async function enrollContacts(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: EnrollInput,
): Promise<EnrollResult[]> {
  const { version, planning, candidates } = await readAll(db, versions, ctx, input);
  const results = new Map<Uuid, EnrollResult>();
  const going: {
    contact: Uuid;
    enrollment: Uuid;
    sender: Uuid;
    touch: Uuid;
    from: number;
    until: number | null;
  }[] = [];

  for (const contact of new Set(input.contact_ids)) {
    const candidate = candidates.get(contact);
    const verdict = decide(candidate, { version, planning }, input.policy);
    if (verdict !== null) {
      results.set(contact, { contact_id: contact, ...verdict });
      continue;
    }
    const sender = senderFor(version.definition.sender_ids, contact);
    const open = opening(version.definition, 0, planning.now, planning.senders.get(sender)!.calendar);
    if (!open.ok) {
      results.set(contact, { contact_id: contact, result: 'refused', reason: 'bad_schedule' });
      continue;
    }
    const enrollment = newId();
    const touch = plannedTouch(
      version.definition,
      { enrollment_id: enrollment, generation: 1, step_no: 0, n: 1 },
      open,
    );
    going.push({
      contact,
      enrollment,
      sender,
      touch: touch.id,
      from: open.not_before,
      until: open.not_after,
    });
  }

  // Bulk inserts are sorted by contact: two of them over the same people never wait in a circle.
  going.sort((a, b) => (a.contact < b.contact ? -1 : 1));
  const enrolled = await write(db, ctx, version, going, input);
  for (const entry of going) {
    results.set(
      entry.contact,
      enrolled.has(entry.contact)
        ? { contact_id: entry.contact, result: 'enrolled', enrollment_id: entry.enrollment }
        : { contact_id: entry.contact, result: 'skipped', reason: 'already_enrolled', enrollment_id: null },
    );
  }
  if (enrolled.size > 0) await wake(db, ctx.org);
  return answer(input.contact_ids, results);
}

/** One answer an entry of the request, in its order; a contact named twice is answered twice. */
function answer(ids: readonly Uuid[], results: Map<Uuid, EnrollResult>): EnrollResult[] {
  const told = new Set<Uuid>();
  return ids.map((id) => {
    if (told.has(id)) return { contact_id: id, result: 'skipped', reason: 'duplicate', enrollment_id: null };
    told.add(id);
    return results.get(id)!;
  });
}

async function readAll(db: Database, versions: VersionCache, ctx: Context, input: EnrollInput) {
  const version = await enrollableVersion(db, versions, ctx.org, input.sequence_id);
  return db.inOrg(ctx.org, async (tx) => {
    const planning = await readPlanning(tx, ctx.org, version.definition.sender_ids, input.now);
    return { version, planning, candidates: await readCandidates(tx, ctx.org, input) };
  });
}

/** The version new enrollments get; refuses a sequence that is unknown, unpublished or archived. */
export async function enrollableVersion(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  sequence: Uuid,
): Promise<Version> {
  const row = await db.inOrg(org, (tx) =>
    tx.maybe(
      sql`SELECT status, published_version_id FROM sequences WHERE org_id = ${org} AND id = ${sequence}`,
    ),
  );
  if (!row) throw new Problem('not_found', `There is no sequence ${sequence}.`);
  const version = row.published_version_id ? await versions.one(org, row.published_version_id) : null;
  if (!version || row.status === 'archived' || row.status === 'draft') {
    throw new Problem(
      'sequence_not_published',
      `The sequence is ${row.status}; nobody can be enrolled in it.`,
    );
  }
  return version;
}

async function readCandidates(tx: Tx, org: Uuid, input: EnrollInput): Promise<Map<Uuid, Candidate>> {
  const rows = await tx.rows<Candidate>(sql`
    SELECT c.id, c.email,
           EXISTS (SELECT FROM suppressions s WHERE s.org_id = ${org} AND s.kind = 'email' AND s.address = c.email) AS suppressed,
           k.status AS consent, e.id AS enrollment_id, e.status AS enrollment_status, e.ended_at
      FROM contacts c
      LEFT JOIN LATERAL (SELECT x.status FROM consents x
        WHERE x.org_id = ${org} AND x.contact_id = c.id AND x.channel = 'email' ORDER BY x.id DESC LIMIT 1) k ON true
      LEFT JOIN LATERAL (SELECT x.id, x.status, x.ended_at FROM enrollments x
        WHERE x.org_id = ${org} AND x.contact_id = c.id AND x.sequence_id = ${input.sequence_id} ORDER BY x.id DESC LIMIT 1) e ON true
     WHERE c.org_id = ${org} AND c.id = ANY (${[...input.contact_ids]})`);
  return new Map(rows.map((row) => [row.id, row]));
}

type Verdict =
  | { result: 'refused'; reason: Refused }
  | { result: 'skipped'; reason: Skipped; enrollment_id: Uuid | null };

function decide(
  candidate: Candidate | undefined,
  target: Target,
  policy: EnrollInput['policy'],
): Verdict | null {
  if (!candidate) return { result: 'refused', reason: 'unknown_contact' };
  if (candidate.enrollment_id !== null) {
    const skipped = enrolledBefore(candidate, target, policy);
    if (skipped) return { result: 'skipped', reason: skipped, enrollment_id: candidate.enrollment_id };
  }
  if (candidate.email === null) return { result: 'refused', reason: 'no_address' };
  if (candidate.suppressed) return { result: 'refused', reason: 'suppressed' };
  if (candidate.consent === 'revoked') return { result: 'refused', reason: 'opted_out' };
  if (candidate.consent === null && target.planning.organization.consent_required.includes('email')) {
    return { result: 'refused', reason: 'no_consent' };
  }
  return null;
}

function enrolledBefore(candidate: Candidate, target: Target, policy: EnrollInput['policy']): Skipped | null {
  if (candidate.enrollment_status === 'active' || candidate.enrollment_status === 'paused')
    return 'already_enrolled';
  const rule = policy ? ({ policy } as const) : target.version.definition.reenroll;
  if (rule.policy === 'never') return 'enrolled_before';
  if (rule.policy !== 'after_days') return null;
  const ended = candidate.ended_at?.getTime() ?? target.planning.now;
  return target.planning.now - ended < rule.days * DAY_MS ? 'enrolled_recently' : null;
}

async function write(
  db: Database,
  ctx: Context,
  version: Version,
  going: readonly {
    contact: Uuid;
    enrollment: Uuid;
    sender: Uuid;
    touch: Uuid;
    from: number;
    until: number | null;
  }[],
  input: EnrollInput,
): Promise<Set<Uuid>> {
  if (going.length === 0) return new Set();
  const step = version.definition.steps[0]!;
  const rows = await db.call<{ contact_id: Uuid }>(sql`
    SELECT contact_id FROM enroll(${ctx.org}::uuid, ${version.sequence_id}::uuid, ${version.id}::uuid, ${step.id}::uuid, ${step.channel}, 2,
      ${input.job_id ?? null}::uuid, ${actorText(ctx.actor)}, ${going.map((g) => g.contact)}::uuid[], ${going.map((g) => g.enrollment)}::uuid[],
      ${going.map((g) => g.touch)}::uuid[], ${going.map((g) => g.sender)}::uuid[],
      ${going.map((g) => new Date(g.from).toISOString())}::timestamptz[],
      ${going.map((g) => (g.until === null ? null : new Date(g.until).toISOString()))}::timestamptz[], ${input.now ?? null}::timestamptz)`);
  if (!input.job_id) {
    await db.inOrg(ctx.org, (tx) =>
      audit(tx, ctx, {
        action: 'enrollment.enroll',
        subject_type: 'sequence',
        subject_id: version.sequence_id,
        data: { enrolled: rows.length, enrollments: going.slice(0, 100).map((g) => g.enrollment) },
      }),
    );
  }
  return new Set(rows.map((row) => row.contact_id));
}
