/** Holidays from an .ics file: read strictly, shown first when asked, written whole or not at all. */
import type { Database } from '../db/database.ts';
import { Problem } from '../kernel/problem.ts';
import { type Holiday, type LeftOut, readIcs } from '../schedule/ics.ts';
import { DAY_MS } from '../schedule/zone.ts';
import type { Context } from '../tenancy/context.ts';
import { MAX_HOLIDAYS, replaceHolidays } from './holidays.ts';

export const MAX_ICS_BYTES = 1_000_000;
/** Yearly events are written out so far ahead; days older than a year plan nothing any more. */
const DAYS_AHEAD = 3_653;
const DAYS_BACK = 366;

export interface HolidayFile {
  country: string | null;
  /** Only say what it holds. */
  preview: boolean;
  /** Write the rest of a file that holds events which cannot be read. */
  skip_unreadable: boolean;
  /** Unix milliseconds. */
  now: number;
}

export interface HolidayImport {
  country: string | null;
  written: boolean;
  holidays: Holiday[];
  /** Events that are no holidays. */
  left_out: LeftOut[];
  unreadable: LeftOut[];
}

/** @throws Problem payload_too_large, calendar_unreadable */
export async function readCalendarFile(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of source) {
    bytes += part.length;
    if (bytes > MAX_ICS_BYTES)
      throw new Problem('payload_too_large', `A calendar may have ${MAX_ICS_BYTES} bytes at most.`);
    parts.push(part);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (error) {
    throw new Problem('calendar_unreadable', 'The file is not text in UTF-8.', { cause: error });
  }
}

/** The file's days become the whole list of the country. @throws Problem calendar_unreadable */
export async function importHolidays(
  db: Database,
  ctx: Context,
  text: string,
  { country, preview, skip_unreadable, now }: HolidayFile,
): Promise<HolidayImport> {
  const today = Math.floor(now / DAY_MS);
  const read = readIcs(text, today - DAYS_BACK, today + DAYS_AHEAD);
  if (!read.ok) throw unreadable([{ line: read.line, name: '', reason: read.detail }]);
  const { holidays, left_out, unreadable: wrong } = read;
  if (holidays.length > MAX_HOLIDAYS)
    throw new Problem('calendar_unreadable', `It holds more than ${MAX_HOLIDAYS} days.`);
  const found = { country, holidays, left_out, unreadable: wrong };
  if (preview) return { ...found, written: false };
  if (wrong.length > 0 && !skip_unreadable) throw unreadable(wrong);
  if (holidays.length === 0) throw new Problem('calendar_unreadable', 'No holiday was found in it.');
  await replaceHolidays(db, ctx, country, holidays);
  return { ...found, written: true };
}

function unreadable(wrong: readonly LeftOut[]): Problem {
  return new Problem('calendar_unreadable', 'Nothing was written.', {
    errors: wrong.map(({ line, name, reason }) => ({
      field: `line ${line}`,
      code: 'unreadable',
      message: name === '' ? reason : `${name}: ${reason}`,
    })),
  });
}
