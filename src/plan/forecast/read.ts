/**
 * What a forecast begins with, read in a few statements: who waits for what, put together by the database to cohorts of
 * those that will fare alike, and what their senders have used. Reads only.
 */
import { placeOf } from '../../contacts/place.ts';
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { type Channel, type ConsentChannel, isSenderChannel, type Mode } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { hasGap } from '../../senders/gap.ts';
import { hasLimit } from '../../senders/limits.ts';
import { readTakenSlots } from '../../senders/taken-slots.ts';
import { type Planning, readPlanning } from '../sequences/calendar.ts';
import type { Passed } from '../sequences/place.ts';
import { needsPlace } from '../sequences/time-rules.ts';
import type { Version, VersionCache } from '../sequences/versions.ts';
import type { Way } from './agenda.ts';
import type { RoomAtStart } from './sender-room.ts';

/** So many are looked at one by one: exact in all, as whose turn is first and the gaps before them go by their ids. */
export const MAX_SINGLE = 20_000;
/** Beyond, those alike are counted together, in so many slices by age: within a slice all count as equally old. */
const SLICES = 32;
/** With more than so many waiting, times are told apart by quarters of an hour instead of minutes. */
const MANY = 200_000;
const MINUTE_MS = 60_000;
/** Cohorts sent over at once. */
const FETCH = 5_000;

export interface Waiting {
  sequence_id: Uuid;
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  channel: Channel;
  mode: Mode;
  sender_id: Uuid | null;
  state: 'planned' | 'sending' | 'unknown';
  held_by: string | null;
  reason: string | null;
  way: Way;
  at: number;
  /** Of a wait that is known by itself: when it is looked at first; `at` is when it ends. */
  begins: number | null;
  id: Uuid;
  count: number;
}

/** What the forecast is of; others that share its senders' limits are worked along. */
export type Scope = { sequence: Uuid } | { sender_ids: readonly Uuid[] } | null;

export interface Scene {
  planning: Planning;
  versions: Map<Uuid, Version>;
  grain: number;
  /** Each by itself; or only those through senders with gaps, and of the others so many slices. */
  single: 'all' | 'gapped';
  max_single: number;
  slices: number;
  /** Of organization, sequences and channels: why they stop. */
  paused: { organization: boolean; sequences: ReadonlySet<Uuid>; channels: ReadonlySet<string> };
}

export async function readScene(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  scope: Scope,
  more: { version?: Version | undefined; now?: Date | null; max_single?: number | undefined },
): Promise<Scene> {
  const { enrolled, switches } = await db.inOrg(org, async (tx) => ({
    enrolled: await tx.rows<{ version_id: Uuid; count: number }>(sql`
      SELECT version_id, count(*)::int AS count FROM enrollments WHERE org_id = ${org} AND status = 'active' GROUP BY 1`),
    switches: await tx.one<{ organization: boolean; sequences: Uuid[]; channels: string[] }>(sql`
      SELECT o.sending_paused OR o.status <> 'active' AS organization,
             ARRAY(SELECT s.id FROM sequences s WHERE s.org_id = ${org} AND s.status <> 'active') AS sequences,
             ARRAY(SELECT w.channel FROM channel_switches w WHERE w.org_id = ${org} AND w.paused) AS channels
        FROM organizations o WHERE o.org_id = ${org}`),
  }));
  const all = await versions.get(
    org,
    enrolled.map((row) => row.version_id),
  );
  if (more.version) all.set(more.version.id, more.version);
  const senders = new Set([...all.values()].flatMap((version) => version.definition.sender_ids));
  const planning = await db.inOrg(org, (tx) => readPlanning(tx, org, [...senders], more.now ?? null));
  const { max_single = MAX_SINGLE } = more;
  // Under a cap every message of a contact takes up room of the others.
  const { capped } = planning.organization;
  const chosen = scope === null || capped ? all : sharing(all, planning, scope, more.version);
  const waiting = enrolled.reduce((sum, row) => sum + (chosen.has(row.version_id) ? row.count : 0), 0);
  return {
    planning,
    versions: chosen,
    grain: waiting > MANY ? 15 * MINUTE_MS : MINUTE_MS,
    single: waiting > max_single ? 'gapped' : 'all',
    max_single,
    slices: waiting > MANY ? 1 : SLICES,
    paused: {
      organization: switches.organization,
      sequences: new Set(switches.sequences),
      channels: new Set(switches.channels),
    },
  };
}

/** The versions asked for, and all that compete with them for a sender with a limit, and with these in turn. */
function sharing(
  all: Map<Uuid, Version>,
  planning: Planning,
  scope: NonNullable<Scope>,
  own: Version | undefined,
): Map<Uuid, Version> {
  const limited = (id: Uuid) => {
    const sender = planning.senders.get(id);
    return sender !== undefined && hasLimit(sender);
  };
  const chosen = new Map<Uuid, Version>();
  const contested = new Set<Uuid>();
  const take = (version: Version) => {
    chosen.set(version.id, version);
    for (const id of version.definition.sender_ids) if (limited(id)) contested.add(id);
  };
  if (own) take(own);
  if ('sender_ids' in scope) for (const id of scope.sender_ids) if (limited(id)) contested.add(id);
  if ('sequence' in scope)
    for (const version of all.values()) if (version.sequence_id === scope.sequence) take(version);
  for (let before = -1; before < chosen.size; ) {
    before = chosen.size;
    for (const version of all.values())
      if (!chosen.has(version.id) && version.definition.sender_ids.some((id) => contested.has(id)))
        take(version);
  }
  return chosen;
}

interface Row extends Omit<Waiting, 'way'> {
  residue: number;
  zone: string | null;
  phone: string | null;
  rank: -1 | 0 | 1;
  slice: number | null;
  enrollment: Uuid | null;
  generation: number | null;
  contact: Uuid | null;
  skip_channels: ConsentChannel[] | null;
  had_steps: Uuid[] | null;
  kept_senders: Uuid[] | null;
}

/** Calls back for each cohort; they are streamed. `enrollment`: one that is looked at by itself. */
export async function readWaiting(
  db: Database,
  org: Uuid,
  scene: Scene,
  enrollment: { id: Uuid; live_touch: Uuid } | null,
  take: (waiting: Waiting) => void,
): Promise<void> {
  const versions = [...scene.versions.values()];
  const { planning } = scene;
  const byPlace = versions.map((version) =>
    version.definition.steps.some((step) => needsPlace(planning.calendar, step.channel)),
  );
  const single = versions.map((version) =>
    version.definition.sender_ids.some((id) => {
      const sender = planning.senders.get(id);
      return sender !== undefined && hasGap(sender);
    }),
  );
  const singled =
    scene.single === 'all'
      ? sql`true`
      : single.includes(true)
        ? sql`v.single AND row_number() OVER (PARTITION BY v.single ORDER BY coalesce(t.wake_at, t.not_before), t.id) <= ${scene.max_single}::int`
        : sql`false`;
  const slice =
    scene.single === 'all' || scene.slices === 1
      ? sql`NULL::int`
      : sql`ntile(${scene.slices}::int) OVER (ORDER BY t.id)`;
  const ways = new Ways(scene);
  await db.inOrg(org, async (tx) => {
    // What differs most comes first in GROUP BY: comparing ten equal texts a row took half of the time (measured).
    // All of it is read: without this the plan is the one that is soonest at its first row, which is nested loops.
    await tx.run(sql`SET LOCAL cursor_tuple_fraction = 1`);
    await tx.run(sql`SET LOCAL jit = off`);
    await tx.run(sql`
      DECLARE waiting NO SCROLL CURSOR FOR
      WITH v AS MATERIALIZED (
        SELECT * FROM unnest(${versions.map((version) => version.id)}::uuid[], ${versions.map(residues)}::int[], ${versions.map(rotating)}::int[],
            ${byPlace}::boolean[], ${single}::boolean[])
          v(id, residues, rotating, by_place, single)
      ), live AS (
        SELECT e.sequence_id, e.version_id, e.step_id, e.step_no, t.channel, t.mode, t.sender_id, t.state, t.held_by, t.reason,
               e.skip_channels::text[] AS skip_channels, e.had_steps, e.kept_senders, e.generation, e.id AS enrollment, t.id, e.contact_id, t.wake_at, t.not_before,
               CASE WHEN t.state = 'sending' THEN t.gated_at WHEN t.channel = 'wait' THEN coalesce(t.not_after, t.wake_at, t.not_before) ELSE coalesce(t.wake_at, t.not_before) END AS at,
               CASE WHEN cardinality(e.kept_senders) = v.rotating THEN 0 ELSE ('x' || right(e.contact_id::text, 8))::bit(32)::bigint % v.residues END AS residue,
               v.by_place,
               CASE WHEN e.id = ${enrollment?.id ?? null}::uuid THEN 0 WHEN t.id < ${enrollment?.live_touch ?? null}::uuid THEN -1 ELSE 1 END AS rank,
               e.id IS NOT DISTINCT FROM ${enrollment?.id ?? null}::uuid OR ${singled} AS single, ${slice} AS slice
          FROM v JOIN enrollments e ON e.org_id = ${org} AND e.version_id = v.id AND e.status = 'active'
          JOIN touches t ON t.org_id = ${org} AND t.id = e.live_touch AND t.live
      )
      SELECT l.sequence_id, l.version_id, l.step_id, l.step_no, l.channel, l.mode, l.sender_id, l.state, l.held_by, l.reason, l.skip_channels, l.had_steps,
             l.kept_senders, l.residue::int, l.rank, l.slice, c.time_zone AS zone,
             CASE WHEN c.phone LIKE '+1%' THEN left(c.phone, 5) ELSE left(c.phone, 10) END AS phone,
             CASE WHEN l.single THEN l.enrollment END AS enrollment, CASE WHEN l.single THEN l.generation END AS generation,
             extract(epoch FROM CASE WHEN l.single THEN l.at ELSE date_bin(${scene.grain}::int * interval '1 millisecond', l.at, '2000-01-01T00:00:00Z') END)::float8 * 1000 AS at,
             min(l.id::text)::uuid AS id, count(*)::int AS count, CASE WHEN l.single THEN l.contact_id END AS contact,
             extract(epoch FROM CASE WHEN l.single AND l.channel = 'wait' THEN coalesce(l.wake_at, l.not_before) END)::float8 * 1000 AS begins
        FROM live l LEFT JOIN LATERAL (
          SELECT x.time_zone, coalesce(x.phone, x.whatsapp) AS phone FROM contacts x WHERE x.org_id = ${org} AND x.id = l.contact_id AND l.by_place) c ON true
       GROUP BY 21, 14, 16, 17, 18, 4, 15, 19, 20, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 24, 25`);
    for (;;) {
      const rows = await tx.rows<Row>(sql`FETCH FORWARD 5000 FROM waiting`);
      for (const row of rows) take({ ...row, way: ways.of(row) });
      if (rows.length < FETCH) return;
    }
  });
}

/** Channels with several senders: who keeps as many needs no remainder. */
function rotating({ senders }: Version): number {
  return [...senders.values()].filter(({ length }) => length > 1).length;
}

/** Contacts whose ids leave the same remainder have the same senders on every channel, where none is kept. */
function residues({ senders }: Version): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  return [...senders]
    .filter(([channel]) => isSenderChannel(channel))
    .reduce((all, [, { length }]) => (all * length) / gcd(all, length), 1);
}

/** Equal ways are one object, so that what goes them is counted together. */
class Ways {
  readonly #scene: Scene;
  readonly #known = new Map<string, Way>();
  readonly #passed = new Map<string, Passed>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  of(row: Row): Way {
    const place = placeOf(
      { time_zone: row.zone, phone: row.phone },
      this.#scene.planning.organization.time_zone,
    );
    const { enrollment, generation, version_id, residue, rank, kept_senders, contact } = row;
    const passed = this.#passedOf(row);
    const make = (): Way => ({
      sequence_id: row.sequence_id,
      version: this.#scene.versions.get(version_id)!,
      place,
      contact_id: contact ?? contactOf(residue),
      kept: kept_senders ?? [],
      passed,
      rank,
      enrollment: enrollment === null ? null : { id: enrollment, generation: generation! },
      verdicts: null,
    });
    if (enrollment !== null) return make();
    const key = [
      version_id,
      residue,
      place.key,
      rank,
      row.slice,
      kept_senders,
      row.skip_channels,
      row.had_steps,
    ].join('|');
    const way = this.#known.get(key) ?? make();
    this.#known.set(key, way);
    return way;
  }

  #passedOf({ had_steps, skip_channels }: Row): Passed {
    const key = `${had_steps}|${skip_channels}`;
    const known = this.#passed.get(key);
    if (known) return known;
    const history = new Map((had_steps ?? []).map((step) => [step, { n: 1, done: true }]));
    const passed = { history, skip_channels };
    this.#passed.set(key, passed);
    return passed;
  }
}

/** A contact that stands for all that leave this remainder. */
export function contactOf(residue: number): Uuid {
  return `00000000-0000-0000-0000-0000${residue.toString(16).padStart(8, '0')}`;
}

/** What senders have used and given away, by sender. */
export async function readRooms(tx: Tx, org: Uuid, planning: Planning): Promise<Map<Uuid, RoomAtStart>> {
  const senders = [...planning.senders.keys()];
  const rooms = new Map<Uuid, RoomAtStart>(
    senders.map((id) => [
      id,
      { used: new Map(), assigned: new Map(), first_day: null, gap_from: null, slots: [] },
    ]),
  );
  const usage = await tx.rows<{
    id: Uuid;
    period: string;
    used: number;
    assigned: number;
    gap_from: number | null;
  }>(sql`
    SELECT sender_id AS id, period, used, assigned, extract(epoch FROM gap_from)::float8 * 1000 AS gap_from FROM sender_usage
     WHERE org_id = ${org} AND sender_id = ANY (${senders}::uuid[]) ORDER BY period`);
  for (const { id, period, used, assigned, gap_from } of usage) {
    const room = rooms.get(id)!;
    if (period === 'gap') room.gap_from = gap_from;
    room.used.set(period, used);
    room.assigned.set(period, assigned);
    if (period.startsWith('d') && used > 0) room.first_day ??= period.slice(1);
  }
  for (const sender of planning.senders.values())
    if (hasGap(sender))
      rooms.get(sender.id)!.slots = await readTakenSlots(tx, org, sender.id, [], planning.now);
  return rooms;
}
