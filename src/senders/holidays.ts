/**
 * Holidays: days on which an organization sends nothing, to anybody or to recipients in one country [CON-7]. Owns
 * `holidays`. In: lists from the API, written whole. Out: sets of days for planning, kept in memory under the policy
 * version that every change raises, so that touches planned under older lists are looked at again at the gate.
 */
import { LRUCache } from 'lru-cache';
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { type DaysOff, dayOfDate, daysOff } from '../schedule/days-off.ts';
import type { Holiday } from '../schedule/ics.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { lockPolicy, raisePolicyVersion } from '../tenancy/organizations.ts';

const ORDER = listOrder('holidays', ['text', 'text']);

/** Of one country, or of the organization itself. */
export const MAX_HOLIDAYS = 2_000;

export interface Holidays {
  /** Equal for equal lists. */
  key: string;
  /** The organization's own. */
  own: DaysOff | null;
  /** By ISO 3166 code. */
  countries: ReadonlyMap<string, DaysOff>;
}

export const NO_HOLIDAYS: Holidays = { key: '', own: null, countries: new Map() };

const cache = new LRUCache<string, Holidays>({ max: 1_000 });

/** `version`: the organization's policy version, read in this transaction before. */
export async function readHolidays(db: Database | Tx, org: Uuid, version: number): Promise<Holidays> {
  const known = cache.get(`${org}.${version}`);
  if (known !== undefined) return known;
  const read = (tx: Tx) =>
    tx.rows<{ country: string; days: string[] }>(sql`
      SELECT country, array_agg(day::text ORDER BY day) AS days FROM holidays WHERE org_id = ${org} GROUP BY country ORDER BY country`);
  const rows = 'inOrg' in db ? await db.inOrg(org, read) : await read(db);
  const countries = new Map<string, DaysOff>();
  for (const { country, days } of rows) {
    const set = daysOff(days.flatMap((date) => dayOfDate(date) ?? []));
    if (set !== null) countries.set(country, set);
  }
  const key = JSON.stringify([...countries]);
  const own = countries.get('') ?? null;
  countries.delete('');
  const holidays = { key, own, countries };
  cache.set(`${org}.${version}`, holidays);
  return holidays;
}

export interface ListedHoliday extends Holiday {
  /** Null: the organization's own. */
  country: string | null;
}

/** By country, the organization's own first, and date. */
export async function listHolidays(
  db: Database,
  ctx: Pick<Context, 'org'>,
  filter: { country?: string | undefined; from?: string | undefined; until?: string | undefined },
  page: PageRequest,
): Promise<Page<ListedHoliday>> {
  const after = positionOf(page, ORDER);
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<ListedHoliday>(sql`
      SELECT nullif(country, '') AS country, day::text AS date, name FROM holidays
       WHERE org_id = ${ctx.org} AND (${filter.country ?? null}::text IS NULL OR country = ${filter.country ?? null})
         AND day >= ${filter.from ?? '0001-01-01'}::date AND day <= ${filter.until ?? '9999-12-31'}::date
         AND (${after === null} OR (country, day::text) > (${after?.[0] ?? ''}, ${after?.[1] ?? ''}))
       ORDER BY holidays.country, day LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, ORDER, (row) => [row.country ?? '', row.date]);
}

/** The list of one country, or of the organization itself (null), as it is from now on. Dates must exist, each once. */
export async function replaceHolidays(
  db: Database,
  ctx: Context,
  country: string | null,
  holidays: readonly Holiday[],
): Promise<{ country: string | null; count: number; changed: boolean }> {
  const wanted = [...holidays].sort((a, b) => (a.date < b.date ? -1 : 1));
  const changed = await db.inOrg(ctx.org, async (tx) => {
    await lockPolicy(tx, ctx.org);
    const before = await tx.rows<Holiday>(sql`
      SELECT day::text AS date, name FROM holidays WHERE org_id = ${ctx.org} AND country = ${country ?? ''} ORDER BY day`);
    if (JSON.stringify(before) === JSON.stringify(wanted.map(({ date, name }) => ({ date, name }))))
      return false;
    await raisePolicyVersion(tx, ctx.org);
    await tx.run(sql`DELETE FROM holidays WHERE org_id = ${ctx.org} AND country = ${country ?? ''}`);
    await tx.run(sql`
      INSERT INTO holidays (org_id, country, day, name)
      SELECT ${ctx.org}, ${country ?? ''}, u.day, u.name
        FROM unnest(${wanted.map(({ date }) => date)}::date[], ${wanted.map(({ name }) => name)}::text[]) u(day, name)`);
    await audit(tx, ctx, {
      action: 'holidays.replace',
      subject_type: 'organization',
      subject_id: ctx.org,
      data: { country, before: before.length, after: wanted.length },
    });
    return true;
  });
  return { country, count: wanted.length, changed };
}
