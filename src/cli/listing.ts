/** Lists for people: a page at a time, in columns, moments in a zone that is named. */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';
import { PAGE_LIMIT, type PageRequest } from '../kernel/page.ts';
import { isZone } from '../schedule/zone.ts';
import { getOrganization } from '../tenancy/organizations.ts';
import { type Call, textOption, UsageError } from './command.ts';

export const PAGE_OPTIONS = {
  limit: {
    value: 'N',
    about: `Rows of a page, ${PAGE_LIMIT.default} by default and ${PAGE_LIMIT.max} at most`,
  },
  cursor: { value: 'CURSOR', about: 'The page after the one that ended with it' },
} as const;

export const ZONE_OPTION = {
  'time-zone': { value: 'ZONE', about: 'Times in this IANA zone; default the organization’s' },
} as const;

/** @throws UsageError */
export function pageOption(call: Call): PageRequest {
  const text = textOption(call, 'limit');
  const limit = text === undefined ? PAGE_LIMIT.default : Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_LIMIT.max)
    throw new UsageError(`--limit is a number from 1 to ${PAGE_LIMIT.max}.`);
  return { limit, cursor: textOption(call, 'cursor') };
}

/** @throws UsageError */
export function oneOf<T extends string>(call: Call, name: string, list: readonly T[]): T | undefined {
  const text = textOption(call, name);
  if (text === undefined) return undefined;
  const found = list.find((one) => one === text);
  if (found === undefined) throw new UsageError(`--${name} is one of: ${list.join(', ')}.`);
  return found;
}

/** @throws UsageError */
export function idOption(call: Call, name: string): Uuid | undefined {
  const text = textOption(call, name)?.toLowerCase();
  if (text === undefined || isUuid(text)) return text;
  throw new UsageError(`--${name} is an id.`);
}

/** Whose clock the times are shown in. @throws UsageError */
export async function zoneOption(call: Call, db: Database, org: Uuid): Promise<string> {
  const text = textOption(call, 'time-zone');
  if (text === undefined) return (await getOrganization(db, { org })).time_zone;
  if (!isZone(text)) throw new UsageError('--time-zone must be an IANA time zone such as Europe/Berlin.');
  return text;
}

/** `2026-11-22 14:05:30`, in that zone; nothing for no moment. */
export function inZone(at: Date | null, zone: string): string {
  // Swedish writes dates as ISO 8601 does.
  return at === null ? '' : at.toLocaleString('sv-SE', { timeZone: zone });
}

/** Left-aligned columns under their names. */
export function columns(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [names, ...rows];
  const widths = names.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What stands under a page: the zone of its times, and how to get the next one. */
export function footer(zone: string, next_cursor: string | null): string {
  const more = next_cursor === null ? '' : `\nThere are more: the same with --cursor ${next_cursor}`;
  return `Times are ${zone}.${more}`;
}

/** Contacts by what people know them by: the address, else the name, else the id. */
export async function contactNames(
  db: Database,
  org: Uuid,
  ids: readonly Uuid[],
): Promise<(id: Uuid) => string> {
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<{ id: Uuid; name: string | null }>(sql`
      SELECT id, coalesce(email, nullif(concat_ws(' ', first_name, last_name), ''), phone) AS name
        FROM contacts WHERE org_id = ${org} AND id = ANY (${[...new Set(ids)]})`),
  );
  const names = new Map(rows.map((row) => [row.id, row.name]));
  return (id) => names.get(id) ?? id;
}
