/**
 * Lanes: who works an organization's due touches now. Taking one is a lease in one row; two workers who both believe
 * they hold a lane do harm to nobody, because the gate decides. In: the worker's name. Out: a lane to work, its due
 * touches, and the time of the next one.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Channel, Mode } from '../kernel/channels.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import type { TouchState } from '../ledger/states.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import type { EnrollmentStatus } from '../plan/sequences/lifecycle.ts';

export interface Lane {
  org: Uuid;
  shard: number;
  token: Uuid;
  /** Read one touch at a time: two holders died here without progress. */
  careful: boolean;
  /** The touch under which the last careful holder died. */
  suspect: Uuid | null;
  /** Its first batch, where that was read with it. */
  opened?: Opened;
}

/** Leases that ran out without progress before a lane is read one touch at a time. */
const CAREFUL_AFTER = 2;
export const isCareful = (expiries: number): boolean => expiries >= CAREFUL_AFTER;

const TAKE = {
  name: 'lane_take',
  text: 'SELECT org_id, shard, expiries, suspect FROM lane_take($1, $2::uuid, $3::int, $4::timestamptz, $5::uuid)',
};
export type TakenLane = [org: Uuid, shard: number, expiries: number, suspect: Uuid | null];

/** `only`: a lane of this organization or none. */
export async function takeLane(
  db: Database,
  worker: string,
  leaseMs: number,
  now: Date | null = null,
  only: Uuid | null = null,
): Promise<Lane | null> {
  const token = newId();
  const [row] = (await db.callPrepared(TAKE, [worker, token, leaseMs, now, only])) as TakenLane[];
  if (!row) return null;
  const [org, shard, expiries, suspect] = row;
  return { org, shard, token, careful: isCareful(expiries), suspect };
}

/** False: the lane is somebody else's now. */
export async function keepLane(
  db: Database,
  lane: Lane,
  leaseMs: number,
  progress: { made: boolean; suspect: Uuid | null },
): Promise<boolean> {
  const [row] = await db.call(sql`
    SELECT lane_keep(${lane.org}::uuid, ${lane.shard}::int, ${lane.token}::uuid, ${leaseMs}::int, ${progress.made}, ${progress.suspect}::uuid) AS kept`);
  return row?.kept === true;
}

export async function leaveLane(db: Database, lane: Lane, sleepMs: number): Promise<void> {
  await db.call(
    sql`SELECT lane_leave(${lane.org}::uuid, ${lane.shard}::int, ${lane.token}::uuid, ${sleepMs}::int)`,
  );
}

/** Has another organization something due and nobody who works it? */
export async function othersWait(db: Database, org: Uuid): Promise<boolean> {
  const [row] = await db.call<{ waits: boolean }>(sql`SELECT lane_waits(${org}::uuid) AS waits`);
  return row?.waits === true;
}

/** Milliseconds until the next touch of anybody falls due, and whose it is; null: nothing is planned. */
export async function untilNextDue(db: Database): Promise<{ ms: number; org: Uuid } | null> {
  const [row] = await db.call<{ ms: number; org: Uuid }>(sql`SELECT ms, org_id AS org FROM lane_soonest()`);
  return row ?? null;
}

/** A due touch with what composing and planning need of its enrollment and contact. */
export interface DueTouch {
  id: Uuid;
  state: TouchState;
  source_id: Uuid;
  sequence_id: Uuid;
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  generation: number;
  n: number;
  contact_id: Uuid;
  /** Null: people do it themselves. */
  sender_id: Uuid | null;
  channel: Channel;
  mode: Mode;
  attempt: number;
  key_n: number;
  token: Uuid | null;
  looks: number;
  needs_review: boolean;
  /** JSON of the values composed in; read for `unknown` only. */
  contents: string | null;
  /** When the gate let go the call that nobody knows the outcome of; null unless `unknown`. */
  first_called: Date | null;
  enrollment_status: EnrollmentStatus;
  /** Whether its enrollment waits for it. */
  is_live: boolean;
  /** Ids of the e-mails sent before in its thread, oldest first, with commas. */
  thread: string | null;
  thread_subject: string | null;
  contact_version: number;
  first_name: string | null;
  last_name: string | null;
  email: string | null;
  phone: string | null;
  whatsapp: string | null;
  telegram: string | null;
  linkedin: string | null;
  company: string | null;
  title: string | null;
  /** JSON. */
  attributes: string | null;
  /** The end of the opening it was planned into, Unix milliseconds. */
  not_after: number | null;
  contact_zone: string | null;
  /** Of its enrollment: ids with commas. */
  kept_senders: string | null;
  /** The arm of its step that it went with before; null when it never went, or its step had none. */
  variant: string | null;
}

/** The first batch, read in the statement that took the lane. */
export interface Opened {
  /** On this process's monotonic clock, before anything was read. */
  asked_at: number;
  due: DueTouch[];
  /** With the senders of these touches, those that their enrollments keep, and some others. */
  planning: Planning;
}

const READ = {
  name: 'lane_read',
  text: 'SELECT * FROM lane_read($1::uuid, $2::int, $3::uuid[], $4::uuid[], $5::timestamptz, true)',
};

/** With what people do, when it falls due: to be looked at, and never to be sent. */
export async function readDue(
  db: Database,
  org: Uuid,
  limit: number,
  skipSenders: readonly Uuid[] = [],
  now: Date | null = null,
): Promise<DueTouch[]> {
  return (await db.callPrepared(READ, [org, limit, skipSenders, null, now])).map(touchOf);
}

/** One touch, due or not, in whatever state; null when it is not there. */
export async function readTouch(db: Database, org: Uuid, id: Uuid): Promise<DueTouch | null> {
  return (await readTouches(db, org, [id]))[0] ?? null;
}

/** Those that are there, in any order. */
export async function readTouches(db: Database, org: Uuid, ids: readonly Uuid[]): Promise<DueTouch[]> {
  return (await db.callPrepared(READ, [org, 1, [], ids, null])).map(touchOf);
}

/** In the order of lane_read's columns. A literal: every touch has one shape, which the hot loops need. */
// biome-ignore lint/suspicious/noExplicitAny: what a column holds is lane_read's word
export function touchOf(row: any[]): DueTouch {
  return {
    id: row[0],
    state: row[1],
    source_id: row[2],
    sequence_id: row[3],
    version_id: row[4],
    step_id: row[5],
    step_no: row[6],
    generation: row[7],
    n: row[8],
    contact_id: row[9],
    sender_id: row[10],
    channel: row[11],
    mode: row[12],
    attempt: row[13],
    key_n: row[14],
    token: row[15],
    looks: row[16],
    needs_review: row[17],
    contents: row[18],
    first_called: row[19],
    enrollment_status: row[20],
    is_live: row[21],
    thread: row[22],
    thread_subject: row[23],
    contact_version: row[24],
    first_name: row[25],
    last_name: row[26],
    email: row[27],
    phone: row[28],
    whatsapp: row[29],
    telegram: row[30],
    linkedin: row[31],
    company: row[32],
    title: row[33],
    attributes: row[34],
    not_after: row[35],
    contact_zone: row[36],
    kept_senders: row[37],
    variant: row[38],
  };
}

/** Touches whose process is gone become `unknown`. Returns how many. */
export async function expireGates(db: Database, org: Uuid, worker: string): Promise<number> {
  const [row] = await db.call<{ n: number }>(
    sql`SELECT gate_expire(${org}::uuid, ${`worker:${worker}`}, 1000) AS n`,
  );
  return row?.n ?? 0;
}
