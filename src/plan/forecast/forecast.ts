/**
 * What will be sent in the coming days, by day, sender and what limits it [I3, SEQ-16]: of a sequence, of the organization,
 * of one enrollment; and for one contact before it is enrolled (the preview). In: what is planned. Out: numbers, in the
 * organization's days; nothing is written. Computed by the functions that plan and postpone (run.ts), from now on, as if
 * every message were accepted and nobody answered. Memory goes with the different times, not with the touches.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { notFound } from '../../kernel/problem.ts';
import { BUDGET_MS, GATE_BATCH } from '../../ledger/gate.ts';
import { dayContaining, localDayRecord } from '../../schedule/period.ts';
import { findZone } from '../../schedule/zone.ts';
import { hasLimit } from '../../senders/limits.ts';
import type { Postponement } from '../sequences/later.ts';
import type { EnrollmentStatus } from '../sequences/lifecycle.ts';
import { senderIdFor } from '../sequences/step-sender.ts';
import type { Who } from '../sequences/step-time.ts';
import type { Version, VersionCache } from '../sequences/versions.ts';
import { Agenda, type Cohort, type Verdicts, type Way } from './agenda.ts';
import { isAssumed } from './conditional.ts';
import { readContactRooms } from './contact-room.ts';
import { LIMITS } from './limits.ts';
import { readRooms, readScene, readWaiting, type Scene, type Scope, type Waiting } from './read.ts';
import { atGrain, type Course, follow, lasts, plan, run } from './run.ts';
import { SenderRoom } from './sender-room.ts';
import { type ForecastStep, Tally } from './tally.ts';
import { readVerdicts } from './verdicts.ts';

export const FORECAST_DAYS = { default: 30, max: 90 } as const;

export interface Wanted {
  /** Of the organization, today included. */
  days: number;
  now?: Date | null;
  /** More than so many waiting are not looked at one by one (read.ts). */
  max_single?: number;
}

export type Forecast = ReturnType<Tally['result']> & {
  from: Date;
  until: Date;
  days: number;
  /** The organization's, whose days these are. */
  time_zone: string;
  /** Limits that the organization has and this does not know of. */
  not_counted: string[];
};

/** @throws not_found */
export async function forecastSequence(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  sequence: Uuid,
  wanted: Wanted,
): Promise<Forecast & { sequence_id: Uuid }> {
  const row = await db.inOrg(org, (tx) =>
    tx.maybe(sql`SELECT id FROM sequences WHERE org_id = ${org} AND id = ${sequence}`),
  );
  if (!row) throw notFound('sequence', sequence);
  const { forecast } = await look(db, versions, org, {
    ...wanted,
    scope: { sequence },
    counts: ({ way }) => way.sequence_id === sequence,
  });
  return { sequence_id: sequence, ...forecast };
}

export async function forecastOrganization(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  wanted: Wanted,
): Promise<Forecast> {
  return (await look(db, versions, org, { ...wanted, scope: null, counts: () => true })).forecast;
}

export interface EnrollmentForecast {
  enrollment_id: Uuid;
  status: EnrollmentStatus;
  from: Date;
  until: Date;
  time_zone: string;
  not_counted: string[];
  /** Those to come, in order. */
  steps: ForecastStep[];
}

/** @throws not_found */
export async function forecastEnrollment(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  id: Uuid,
  wanted: Wanted,
): Promise<EnrollmentForecast> {
  const row = await db.inOrg(org, (tx) =>
    tx.maybe<{ sequence_id: Uuid; status: EnrollmentStatus; live_touch: Uuid }>(
      sql`SELECT sequence_id, status, live_touch FROM enrollments WHERE org_id = ${org} AND id = ${id}`,
    ),
  );
  if (!row) throw notFound('enrollment', id);
  const { forecast, steps } = await look(db, versions, org, {
    ...wanted,
    scope: { sequence: row.sequence_id },
    enrollment: { id, live_touch: row.live_touch },
    counts: ({ way }) => way.rank === 0,
  });
  const { from, until, time_zone, not_counted } = forecast;
  return { enrollment_id: id, status: row.status, from, until, time_zone, not_counted, steps };
}

interface Look extends Wanted {
  scope: Scope;
  counts: (cohort: Cohort) => boolean;
  enrollment?: { id: Uuid; live_touch: Uuid };
}

async function look(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  { scope, counts, days, enrollment, now, max_single }: Look,
): Promise<{ forecast: Forecast; steps: ForecastStep[] }> {
  const scene = await readScene(db, versions, org, scope, { now: now ?? null, max_single });
  const course = await prepare(db, org, scene, days, counts);
  await beginAll(course, db, org, scene, enrollment ?? null);
  run(course);
  const { time_zone } = scene.planning.organization;
  return {
    steps: course.tally.steps,
    forecast: {
      from: new Date(scene.planning.now),
      until: new Date(course.until),
      days,
      time_zone,
      not_counted: notCounted(scene),
      ...course.tally.result(),
    },
  };
}

/** Caps are of contacts, who are known only where each is worked by itself. */
function notCounted({ planning, single }: Scene): string[] {
  return planning.organization.capped && single !== 'all' ? ['frequency_cap'] : [];
}

/** The days of the organization, today the first; and the room that its senders have. */
export async function prepare(
  db: Database,
  org: Uuid,
  scene: Scene,
  days: number,
  counts: (cohort: Cohort) => boolean,
): Promise<Course> {
  const { planning, grain } = scene;
  const { time_zone } = planning.organization;
  const zone = findZone(time_zone)!;
  const rooms = await db.inOrg(org, (tx) => readRooms(tx, org, planning));
  return {
    planning,
    agenda: new Agenda(),
    tally: new Tally(time_zone, counts),
    rooms: new Map(
      [...planning.senders].map(([id, sender]) => [
        id,
        new SenderRoom(sender, time_zone, rooms.get(id)!, BUDGET_MS),
      ]),
    ),
    contacts: null,
    stoppedBy: (cohort) => stoppedBy(scene, cohort),
    until: localDayRecord(zone, dayContaining(zone, planning.now).number + days).start,
    days,
    grain,
    batch: GATE_BATCH,
    budget_ms: BUDGET_MS,
  };
}

/** As the gate asks, in its order. */
function stoppedBy({ paused, planning }: Scene, { channel, sender_id, way }: Cohort): string | null {
  if (paused.organization) return 'organization_paused';
  if (paused.channels.has(channel)) return 'channel_paused';
  if (paused.sequences.has(way.sequence_id)) return 'sequence_paused';
  if (sender_id === null) return null;
  const sender = planning.senders.get(sender_id);
  if (!sender) return 'no_sender';
  return sender.status === 'active' ? null : 'sender_paused';
}

/** Puts all that waits now on the agenda; of those known one by one, with what is known of their contacts. */
async function beginAll(
  course: Course,
  db: Database,
  org: Uuid,
  scene: Scene,
  enrollment: { id: Uuid; live_touch: Uuid } | null,
  more?: Way,
): Promise<void> {
  const single: Waiting[] = [];
  await readWaiting(db, org, scene, enrollment, (waiting) => {
    if (waiting.way.enrollment) single.push(waiting);
    else begin(course, scene, waiting);
  });
  const ways = single.map(({ way }) => way);
  const verdicts = await db.inOrg(org, (tx) => readVerdicts(tx, org, ways, scene.planning.now));
  course.contacts = await readContacts(db, org, scene, more ? [...ways, more] : ways);
  for (const { way, ...waiting } of single)
    begin(course, scene, {
      ...waiting,
      way: { ...way, verdicts: verdicts.get(way.enrollment!.id) ?? null },
    });
}

function readContacts(db: Database, org: Uuid, { planning }: Scene, ways: readonly Way[]) {
  const contacts = [...new Set(ways.map(({ contact_id }) => contact_id))];
  return db.inOrg(org, (tx) => readContactRooms(tx, org, planning, contacts));
}

function begin(course: Course, scene: Scene, waiting: Waiting): void {
  const { way, step_id, step_no, channel, mode, sender_id, count, id, reason } = waiting;
  const { now } = scene.planning;
  const limit = (LIMITS as readonly string[]).includes(reason ?? '') ? (reason as Postponement) : null;
  const verdict = way.verdicts?.get(step_no);
  const moment = lasts(verdict) ? waiting.at : (waiting.begins ?? waiting.at);
  const at = way.enrollment ? Math.max(now, moment) : atGrain(moment, now, scene.grain);
  const conditional = isAssumed(way.version.definition.steps[step_no], verdict);
  const cohort = { way, step_id, step_no, channel, mode, sender_id, count, id, limit, conditional };
  const due = { ...cohort, at, due: moment };
  if (waiting.state === 'unknown') course.tally.held(due, count, 'unknown');
  else if (waiting.state === 'sending') follow(course, { cohort: due, count }, waiting.at);
  else if (waiting.held_by !== null) course.tally.held(due, count, `${waiting.held_by}_paused`);
  else if (at >= course.until) course.tally.later(due, count);
  else course.agenda.add(due);
}

/**
 * The steps of a version that one contact would be enrolled in now, behind everybody who waits already; without those
 * that come later than can be looked at. What is paused is not asked: it may have been resumed by then.
 */
export async function foresee(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  version: Version,
  who: Who & { now: number; begins: number; verdicts: Verdicts },
): Promise<{ steps: ForecastStep[]; not_counted: string[] }> {
  const own = new Set(
    version.definition.steps.map((step) =>
      senderIdFor(version.senders, step.channel, who.contact_id, who.kept),
    ),
  );
  const sender_ids = [...own].filter((id) => id !== null && id !== undefined);
  const scene = await readScene(db, versions, org, { sender_ids }, { version, now: new Date(who.now) });
  const course = await prepare(db, org, scene, FORECAST_DAYS.max, () => false);
  const stopped = course.stoppedBy;
  course.stoppedBy = (cohort) => (cohort.way.rank === 0 ? null : stopped(cohort));
  const limited = sender_ids.some((id) => {
    const sender = scene.planning.senders.get(id);
    return sender !== undefined && hasLimit(sender);
  });
  const way: Way = {
    sequence_id: version.sequence_id,
    version,
    ...who,
    passed: { history: new Map(), skip_channels: null },
    rank: 0,
    enrollment: { id: newId(who.now), generation: 1 },
  };
  const { capped } = scene.planning.organization;
  if (limited || capped) await beginAll(course, db, org, scene, null, way);
  plan(course, { way, conditional: false }, 0, 1, who.begins);
  run(course);
  return { steps: course.tally.steps, not_counted: notCounted(scene) };
}
