/**
 * Who may be enrolled (SEQ-4, SEQ-5). Reads what decides about a batch of contacts in a few statements, and returns only
 * those about whom there is something to say: most of a large list has nothing against it, and is never sent over.
 */
import { type Place, placeOf } from '../../contacts/place.ts';
import { uuids } from '../../db/arrays.ts';
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { invariant } from '../../kernel/invariant.ts';
import type { Definition } from './definition.ts';
import { type EnrollmentStatus, isLive, TRANSITIONS } from './lifecycle.ts';
import { type ReachNeeds, readUnreachable, UNREACHABLE_REASONS, type Unreachable } from './reach.ts';

const DAY_MS = 86_400_000;

/** Overrides the sequence's rule for contacts that were enrolled before. */
export const ENROLL_POLICIES = ['never', 'after_days', 'if_ended', 'restart'] as const;
export type EnrollPolicy = (typeof ENROLL_POLICIES)[number];

export interface PolicyChoice {
  policy?: EnrollPolicy | undefined;
  /** Of `after_days`. */
  policy_days?: number | undefined;
}

export const REFUSED_REASONS = [
  'unknown_contact',
  ...UNREACHABLE_REASONS,
  'bad_schedule',
  'no_sender',
] as const;
export type Refused = (typeof REFUSED_REASONS)[number];

export const SKIPPED_REASONS = [
  'already_enrolled',
  'enrolled_before',
  'enrolled_recently',
  'touch_in_flight',
  'exclusive',
  'duplicate',
] as const;
export type Skipped = (typeof SKIPPED_REASONS)[number];

/** A contact about whom something was found. */
export interface Candidate {
  unreachable?: Unreachable | 'unknown_contact';
  /** Its live enrollment in the sequence, or else the one that ended last. */
  before?: { id: Uuid; status: EnrollmentStatus; generation: number; ended_at: Date | null };
  /** A live enrollment in another sequence of the exclusive group. */
  rival?: Uuid;
}

export type Decision =
  | { kind: 'enroll' }
  | { kind: 'restart'; enrollment_id: Uuid; generation: number }
  | { kind: 'skipped'; reason: Skipped; enrollment_id: Uuid | null }
  | { kind: 'refused'; reason: Refused };

const ENROLL: Decision = { kind: 'enroll' };

/** Keyed by contact; absent: nothing against it. `ids` must be distinct. */
export async function readCandidates(
  tx: Tx,
  org: Uuid,
  sequence: Uuid,
  ids: readonly Uuid[],
  needs: ReachNeeds,
  group: string | undefined,
): Promise<Map<Uuid, Candidate>> {
  const found = new Map<Uuid, Candidate>();
  const add = (contact: Uuid, what: Candidate) => found.set(contact, { ...found.get(contact), ...what });
  for (const [contact, why] of await readUnreachable(tx, org, ids, needs)) add(contact, { unreachable: why });
  for (const { contact_id, ...before } of await readBefore(tx, org, sequence, ids))
    add(contact_id, { before });
  if (group !== undefined)
    for (const { contact_id, id } of await readRivals(tx, org, sequence, ids, group))
      add(contact_id, { rival: id });
  return found;
}

/**
 * The sequence is compared in a way no index serves, and the contacts are one list: with statistics of an emptier table the
 * planner otherwise takes the sequence's index, and reads all of a sequence's enrollments for each contact (measured:
 * 2,000 contacts in 1,528 ms instead of 20; in 10 s, while another writer filled the table).
 */
function readBefore(tx: Tx, org: Uuid, sequence: Uuid, ids: readonly Uuid[]) {
  return tx.rows<{ contact_id: Uuid } & NonNullable<Candidate['before']>>(sql`
    SELECT DISTINCT ON (x.contact_id) x.contact_id, x.id, x.status, x.generation, x.ended_at FROM enrollments x
     WHERE x.org_id = ${org} AND x.contact_id = ANY (${uuids(ids)}::uuid[]) AND x.sequence_id IS NOT DISTINCT FROM ${sequence}
     ORDER BY x.contact_id, x.ended_at DESC NULLS FIRST, x.id DESC`);
}

/**
 * Whom of a group's sequences the contacts have already. Sequences that came into the group after people were
 * enrolled in them count too: then the constraint does not know those, and this look is what keeps apart.
 */
function readRivals(tx: Tx, org: Uuid, sequence: Uuid, ids: readonly Uuid[], group: string) {
  return tx.rows<{ contact_id: Uuid; id: Uuid }>(sql`
    SELECT DISTINCT ON (x.contact_id) x.contact_id, x.id FROM enrollments x
     WHERE x.org_id = ${org} AND x.contact_id = ANY (${uuids(ids)}::uuid[]) AND x.status IN ('active', 'paused')
       AND x.sequence_id IS DISTINCT FROM ${sequence}
       AND (x.exclusive_group = ${group} OR x.sequence_id = ANY (ARRAY(
         SELECT s.id FROM sequences s JOIN sequence_versions v ON v.org_id = s.org_id AND v.id = s.published_version_id
          WHERE s.org_id = ${org} AND v.definition ->> 'exclusive_group' = ${group})))
     ORDER BY x.contact_id, x.id`);
}

/** Where they may be; `ids` must be distinct. Asked for only where it matters: see needsPlace. */
export async function readPlaces(
  tx: Tx,
  org: Uuid,
  ids: readonly Uuid[],
  organizationZone: string,
): Promise<Map<Uuid, Place>> {
  const rows = await tx.rows<{ id: Uuid; time_zone: string | null; phone: string | null }>(sql`
    SELECT c.id, c.time_zone, coalesce(c.phone, c.whatsapp) AS phone FROM contacts c
     WHERE c.org_id = ${org} AND c.id = ANY (${uuids(ids)}::uuid[])`);
  return new Map(rows.map((row) => [row.id, placeOf(row, organizationZone)]));
}

/** What becomes of one contact, before its times are computed. */
export function decideCandidate(candidate: Candidate | undefined, rule: Rule): Decision {
  if (candidate === undefined) return ENROLL;
  const { unreachable, before, rival } = candidate;
  if (unreachable === 'unknown_contact') return { kind: 'refused', reason: unreachable };
  if (before && rule.policy !== 'restart') {
    const reason = enrolledBefore(before, rule);
    if (reason) return { kind: 'skipped', reason, enrollment_id: before.id };
  }
  if (rival) return { kind: 'skipped', reason: 'exclusive', enrollment_id: rival };
  if (unreachable) return { kind: 'refused', reason: unreachable };
  if (rule.policy !== 'restart' || !before) return ENROLL;
  // Bounced and unsubscribed ones stay as they ended; who may be written to again begins anew.
  return TRANSITIONS[before.status].restart === null
    ? ENROLL
    : { kind: 'restart', enrollment_id: before.id, generation: before.generation };
}

interface Rule extends PolicyChoice {
  reenroll: Definition['reenroll'];
  now: number;
}

function enrolledBefore(before: NonNullable<Candidate['before']>, rule: Rule): Skipped | null {
  if (isLive(before.status)) return 'already_enrolled';
  const own = rule.reenroll.policy === 'after_days' ? rule.reenroll.days : undefined;
  const policy = rule.policy ?? rule.reenroll.policy;
  if (policy === 'never') return 'enrolled_before';
  if (policy !== 'after_days') return null;
  const days = rule.policy === undefined ? own : rule.policy_days;
  invariant(days !== undefined, 'after_days comes with its days');
  const ended = before.ended_at?.getTime() ?? rule.now;
  return rule.now - ended < days * DAY_MS ? 'enrolled_recently' : null;
}
