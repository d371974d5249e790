/**
 * Enrolling: one contact, a batch or a chunk of a job, the same path (SEQ-3, SEQ-4, SEQ-5). Reads what decides in one
 * statement, decides here, writes enrollments and first touches in one function call. A contact that turned
 * unreachable in between is caught by the gate; one enrolled twice in between by the constraint.
 */
import type { Place } from '../../contacts/place.ts';
import { type Database, pgCode, type Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, touchId, type Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { wake } from '../../ledger/wake.ts';
import { auditEntry } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { type Assignee, assigneesOf, requireAssignable } from './assignees.ts';
import { type Planning, readPlanning } from './calendar.ts';
import {
  type Decision,
  decideCandidate,
  type PolicyChoice,
  type Refused,
  readCandidates,
  readPlaces,
  type Skipped,
} from './candidates.ts';
import { flowOf } from './flow.ts';
import { holdIntake, type Intake, readIntake } from './intake.ts';
import { leavable } from './lifecycle.ts';
import { type Opening, opening } from './next.ts';
import { needsOf } from './reach.ts';
import { Rotation } from './rotation.ts';
import { senderIdFor, through } from './step-sender.ts';
import { needsPlace } from './time-rules.ts';
import type { Version, VersionCache } from './versions.ts';

/** How often a batch is read and decided again because an enrollment in it changed meanwhile. */
const MAX_ROUNDS = 8;
/** serialization_failure (ours, see enroll.sql), unique_violation of a live enrollment, deadlock: read again. */
const READ_AGAIN = new Set(['40001', '23505', '40P01']);

export type EnrollResult = { contact_id: Uuid } & (
  | { result: 'enrolled'; reason: 'restarted' | null; enrollment_id: Uuid }
  | { result: 'skipped'; reason: Skipped; enrollment_id: Uuid | null }
  | { result: 'refused'; reason: Refused; enrollment_id: null }
);

export interface EnrollInput extends PolicyChoice {
  sequence_id: Uuid;
  contact_ids: readonly Uuid[];
  /** Why, for those restarted. */
  reason?: string | undefined;
  /** Who does the steps of people; absent: nobody is named, and who is restarted keeps theirs. */
  assignee?: Assignee | undefined;
  now?: Date | null;
}

/** What a batch comes to: the arguments of enroll_batch, and the results that need no writing. */
export interface EnrollPlan {
  version: Version;
  decided: EnrollResult[];
  /**
   * The times of touches: of a sender (null: people do the first step) to recipients in one place; and whom those
   * enrollments keep where there are several senders, ids with commas.
   */
  senders: { id: Uuid | null; from: number; until: number | null; day: string | null; kept: string | null }[];
  fresh: { contact: Uuid; enrollment: Uuid; touch: Uuid; sender: number }[];
  old: { enrollment: Uuid; generation: number; touch: Uuid; sender: number }[];
}

export async function enrollContacts(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: EnrollInput,
): Promise<EnrollResult[]> {
  const distinct = [...new Set(input.contact_ids)];
  const assignees = assigneesOf(input.assignee);
  if (assignees.length > 0) await db.inOrg(ctx.org, (tx) => requireAssignable(tx, ctx.org, assignees));
  const entry = auditEntry(ctx, {
    action: 'enrollment.enroll',
    subject_type: 'sequence',
    subject_id: input.sequence_id,
    data: { policy: input.policy ?? null, ...(assignees.length > 0 ? { assignees } : {}) },
  });
  const how = { reason: input.reason ?? 'restart', entry, now: input.now ?? null, assignees };
  const results = await readAgain(() =>
    planAndWrite(db, versions, ctx.org, { ...input, contact_ids: distinct }, async (plan, tx) => [
      ...plan.decided,
      ...(await writeBatch(tx ?? db, ctx, plan, how)),
    ]),
  );
  if (results.some((result) => result.result === 'enrolled')) await wake(db, ctx.org);
  return answer(input.contact_ids, new Map(results.map((result) => [result.contact_id, result])));
}

/** Repeats what reads, decides and writes while somebody else comes between. */
export async function readAgain<T>(attempt: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await attempt();
    } catch (error) {
      if (round === MAX_ROUNDS || !READ_AGAIN.has(pgCode(error) ?? '')) throw error;
    }
  }
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

/**
 * Reads and decides, then lets `write` write. Where a sequence says how many may begin a day, both happen in one
 * transaction (`tx`) that holds its intake, so that two batches never give the same places away; everywhere else
 * nothing is held between them. `contact_ids` must be distinct.
 */
export async function planAndWrite<T>(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  input: EnrollInput,
  write: (plan: EnrollPlan, tx: Tx | null) => Promise<T>,
): Promise<T> {
  const version = await enrollableVersion(db, versions, org, input.sequence_id);
  if (version.definition.intake === undefined)
    return write(await db.inOrg(org, (tx) => planBatch(tx, org, version, input)), null);
  return db.inOrg(org, async (tx) => {
    await holdIntake(tx, org, input.sequence_id);
    return write(await planBatch(tx, org, version, input), tx);
  });
}

async function planBatch(tx: Tx, org: Uuid, version: Version, input: EnrollInput): Promise<EnrollPlan> {
  const { definition } = version;
  const planning = await readPlanning(tx, org, definition.sender_ids, input.now);
  const needs = needsOf(flowOf(definition).certain_channels, planning.organization.consent_required);
  const { sequence_id, contact_ids, policy, policy_days } = input;
  const candidates = await readCandidates(
    tx,
    org,
    sequence_id,
    contact_ids,
    needs,
    definition.exclusive_group,
  );
  const places = placeMatters(version, planning)
    ? await readPlaces(tx, org, contact_ids, planning.organization.time_zone)
    : null;
  const rule = { reenroll: definition.reenroll, policy, policy_days, now: planning.now };
  const planner = new EnrollPlanner(version, planning, await readIntake(tx, org, version, planning));
  for (const contact of input.contact_ids)
    planner.place(contact, decideCandidate(candidates.get(contact), rule), places?.get(contact) ?? null);
  // Bulk inserts are sorted by contact: two of them over the same people never wait in a circle.
  planner.plan.fresh.sort((a, b) => (a.contact < b.contact ? -1 : 1));
  return planner.plan;
}

/** Does the time of a first touch depend on where its recipient is? */
export function placeMatters({ definition }: Version, { calendar }: Planning): boolean {
  // Quiet hours and holidays are the organization's, the same for all its senders.
  return needsPlace(calendar, definition.steps[0]!.channel);
}

/** Puts decisions about contacts together to a plan. */
export class EnrollPlanner {
  readonly plan: EnrollPlan;
  readonly #planning: Planning;
  readonly #intake: Intake | null;
  readonly #rotation: Rotation;
  readonly #numbers = new Map<string, number | 'no_sender' | 'bad_schedule'>();

  /** `intake`: of how many may begin a day; null: as many as like. */
  constructor(version: Version, planning: Planning, intake: Intake | null) {
    this.plan = { version, decided: [], senders: [], fresh: [], old: [] };
    this.#planning = planning;
    this.#intake = intake;
    this.#rotation = new Rotation(version.senders, planning.senders);
  }

  /** `at`: where the contact may be; null where that does not matter. */
  place(contact_id: Uuid, decision: Decision, at: Place | null): void {
    const { decided, version, old, fresh } = this.plan;
    if (decision.kind === 'refused' || decision.kind === 'skipped') {
      decided.push(
        decision.kind === 'refused'
          ? { contact_id, result: 'refused', reason: decision.reason, enrollment_id: null }
          : {
              contact_id,
              result: 'skipped',
              reason: decision.reason,
              enrollment_id: decision.enrollment_id,
            },
      );
      return;
    }
    const sender = this.#senderNumber(contact_id, at);
    if (typeof sender === 'string') {
      decided.push({ contact_id, result: 'refused', reason: sender, enrollment_id: null });
      return;
    }
    const seen = decision.kind === 'restart' ? decision : null;
    const enrollment = seen?.enrollment_id ?? newId();
    const key = `${(seen?.generation ?? 0) + 1}.${version.definition.steps[0]!.id}.1`;
    const touch = touchId(enrollment, key);
    if (seen) old.push({ enrollment, generation: seen.generation, touch, sender });
    else fresh.push({ contact: contact_id, enrollment, touch, sender });
  }

  /** All touches of a sender to one place open at the same time: computed once; arrays of PostgreSQL count from 1. */
  #senderNumber(contact: Uuid, at: Place | null): number | 'no_sender' | 'bad_schedule' {
    const { version, senders } = this.plan;
    const kept = this.#rotation.of(contact);
    const sender = senderIdFor(version.senders, version.definition.steps[0]!.channel, contact, kept);
    if (sender === undefined) return 'no_sender';
    const recipients = at === null ? `${sender}` : `${sender} ${at.key}`;
    const openAt = (from: number): Opening | null => {
      const found = through(this.#planning, sender);
      return found && opening(version.definition, 0, from, found.calendar, at);
    };
    const place = this.#intake?.take(recipients, openAt) ?? null;
    const keptIds = kept.length === 0 ? null : kept.join();
    const key = `${recipients} ${place?.day} ${keptIds}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      const open = place?.opening ?? openAt(this.#planning.now);
      number = open === null ? 'no_sender' : 'bad_schedule';
      if (open?.ok && (this.#intake === null || place !== null))
        number = senders.push({
          id: sender,
          from: open.not_before,
          until: open.not_after,
          day: place?.day ?? null,
          kept: keptIds,
        });
      this.#numbers.set(key, number);
    }
    return number;
  }
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
  if (!row) throw notFound('sequence', sequence);
  const version = row.published_version_id ? await versions.one(org, row.published_version_id) : null;
  if (!version || row.status === 'archived' || row.status === 'draft') {
    throw new Problem(
      'sequence_not_published',
      `The sequence is ${row.status}; nobody can be enrolled in it.`,
    );
  }
  return version;
}

/** The text of a PostgreSQL array whose elements need no quotes, or have them. A third of pg's own time. */
function array(values: readonly (string | number | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** The arguments that enroll_batch and bulk_enroll_chunk share, each as the text PostgreSQL reads. */
export function batchArguments(plan: EnrollPlan) {
  const { senders, fresh, old } = plan;
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    senders: array(senders.map((sender) => sender.id)),
    from: array(senders.map((sender) => iso(sender.from))),
    until: array(senders.map((sender) => iso(sender.until))),
    days: array(senders.map((sender) => sender.day)),
    kept: senders.some(({ kept }) => kept !== null)
      ? array(senders.map(({ kept }) => (kept === null ? null : `"${kept}"`)))
      : null,
    group: plan.version.definition.exclusive_group ?? null,
    contacts: array(fresh.map((one) => one.contact)),
    enrollments: array(fresh.map((one) => one.enrollment)),
    touches: array(fresh.map((one) => one.touch)),
    sender_nos: array(fresh.map((one) => one.sender)),
    old: array(old.map((one) => one.enrollment)),
    old_generations: array(old.map((one) => one.generation)),
    old_touches: array(old.map((one) => one.touch)),
    old_sender_nos: array(old.map((one) => one.sender)),
    restartable: array(leavable('restart')),
  };
}

/** `entry`: the audit record. */
export async function writeBatch(
  db: Database | Tx,
  ctx: Context,
  plan: EnrollPlan,
  how: { reason: string; entry: string; now?: Date | null; assignees?: readonly Uuid[] },
): Promise<EnrollResult[]> {
  if (plan.fresh.length === 0 && plan.old.length === 0) return [];
  const { version } = plan;
  const step = version.definition.steps[0]!;
  const a = batchArguments(plan);
  const statement = sql`
    SELECT * FROM enroll_batch(${ctx.org}::uuid, ${version.sequence_id}::uuid, ${version.id}::uuid, ${step.id}::uuid, ${step.channel}, ${step.mode},
      NULL::uuid, ${actorText(ctx.actor)}, ${a.senders}::uuid[], ${a.from}::timestamptz[], ${a.until}::timestamptz[],
      ${a.days}::date[], ${a.kept}::text[], ${a.group}::text, ${a.contacts}::uuid[], ${a.enrollments}::uuid[], ${a.touches}::uuid[], ${a.sender_nos}::int[],
      ${a.old}::uuid[], ${a.old_generations}::int[], ${a.old_touches}::uuid[], ${a.old_sender_nos}::int[], ${a.restartable}::text[],
      ${how.reason}, ${how.entry}::jsonb, ${how.now ?? null}::timestamptz, ${array(how.assignees ?? [])}::uuid[])`;
  return 'inOrg' in db ? db.call<EnrollResult>(statement) : db.rows<EnrollResult>(statement);
}
