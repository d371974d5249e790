/**
 * How many new enrollments of a sequence begin a day [SEQ-4]: `intake: {per_day}`. Nobody is left waiting in a job: all
 * are enrolled at once, and the first touch of whoever finds a day full is planned on the next day that has a place, so
 * that every date is there to be seen and forecast. A day is the organization's, and the one that counts is the day on
 * which the first touch may first go, under all windows, quiet hours and holidays. An enrollment that ends before its
 * day has come gives its place back; a restart takes a place like a new one.
 *
 * In: the enrollments under way. Out: a place a contact. Two batches at once are kept apart by holdIntake().
 */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { dayContaining, localDayRecord } from '../../schedule/period.ts';
import { findZone, type Zone } from '../../schedule/zone.ts';
import type { Planning } from './calendar.ts';
import type { Opening } from './next.ts';
import type { Version } from './versions.ts';

/** Held to the end of the transaction, before any row: class 4 of the advisory locks (ledger/locks.sql). */
export async function holdIntake(tx: Tx, org: Uuid, sequence: Uuid): Promise<void> {
  await tx.run(sql`SELECT lock_exclusive(4, ${org}::uuid, ${sequence}::uuid)`);
}

/** Null: as many as like may begin. Read in a later statement than holdIntake(). */
export async function readIntake(
  tx: Tx,
  org: Uuid,
  { sequence_id, definition }: Pick<Version, 'sequence_id' | 'definition'>,
  { now, organization }: Planning,
): Promise<Intake | null> {
  const { intake } = definition;
  // Without a zone nobody is enrolled: the schedule refuses.
  const zone = intake === undefined ? null : findZone(organization.time_zone);
  if (intake === undefined || zone === null) return null;
  const today = dayContaining(zone, now).day;
  const rows = await tx.rows<{ day: string; taken: number }>(sql`
    SELECT to_char(intake_day, 'YYYY-MM-DD') AS day, count(*) AS taken FROM enrollments
     WHERE org_id = ${org} AND sequence_id = ${sequence_id} AND intake_day >= ${today}::date
       AND (status IN ('active', 'paused') OR intake_day = ${today}::date)
     GROUP BY intake_day`);
  return new Intake(intake.per_day, zone, now, new Map(rows.map(({ day, taken }) => [day, taken])));
}

/** Days in a row that may be full: no plan reaches further. */
const MAX_FULL_DAYS = 10_000;

export class Intake {
  readonly #perDay: number;
  readonly #zone: Zone;
  readonly #now: number;
  readonly #taken: Map<string, number>;
  /** Where to look from, for recipients that share their times: every day before is full for them. */
  readonly #from = new Map<string, number>();

  constructor(perDay: number, zone: Zone, now: number, taken: Map<string, number>) {
    this.#perDay = perDay;
    this.#zone = zone;
    this.#now = now;
    this.#taken = taken;
  }

  /**
   * A place on the first day that has one, taken; `from`: the moment that its first step's delay counts from. Null when the
   * schedule gives none: the caller finds out why.
   */
  take(
    recipients: string,
    openAt: (from: number) => Opening | null,
  ): { day: string; from: number; opening: Opening } | null {
    let from = this.#from.get(recipients) ?? this.#now;
    for (let round = 0; round < MAX_FULL_DAYS; round++) {
      const opening = openAt(from);
      if (opening === null || !opening.ok) return null;
      const { day } = dayContaining(this.#zone, opening.not_before);
      const taken = this.#taken.get(day) ?? 0;
      if (taken < this.#perDay) {
        this.#taken.set(day, taken + 1);
        return { day, from, opening };
      }
      // A day at a time: the step's delay lies between where it counts from and the day it falls on.
      from = localDayRecord(this.#zone, dayContaining(this.#zone, from).number + 1).start;
      this.#from.set(recipients, from);
    }
    return null;
  }
}
