/**
 * Holidays out of an iCalendar file (RFC 5545): its all-day events, those over several days and those of every year.
 * In: the file's text and the days that matter. Out: dates with names, what was left out because it is no holiday, and
 * what could not be read, each with its line; or why the file is no calendar. Nothing is guessed.
 */
import { dateOfDay } from './days-off.ts';
import { type IcsError, type IcsLine, readLines, readText } from './ics-lines.ts';
import { dayOfIcsDate, occurrences, readYearlyRule } from './yearly-rule.ts';

export const MAX_ICS_EVENTS = 5_000;
/** School holidays are the longest of their kind. */
const MAX_EVENT_DAYS = 100;
const MAX_NAME = 200;

export interface Holiday {
  /** `YYYY-MM-DD` */
  date: string;
  name: string;
}

export interface LeftOut {
  line: number;
  name: string;
  reason: string;
}

export type IcsResult =
  | { ok: true; holidays: Holiday[]; left_out: LeftOut[]; unreadable: LeftOut[] }
  | IcsError;

interface Event {
  line: number;
  properties: Map<string, IcsLine[]>;
}

/** `from` and `until` are day numbers, inclusive: yearly events are written out between them. */
export function readIcs(text: string, from: number, until: number): IcsResult {
  const lines = readLines(text);
  if (!Array.isArray(lines)) return lines;
  const events = readEvents(lines);
  if (!Array.isArray(events)) return events;
  const result = {
    ok: true as const,
    holidays: [] as Holiday[],
    left_out: [] as LeftOut[],
    unreadable: [] as LeftOut[],
  };
  const moved = movedOccurrences(events);
  const names = new Map<number, string>();
  for (const event of events) {
    const name = readText(one(event, 'SUMMARY')?.value ?? '')
      .trim()
      .slice(0, MAX_NAME);
    const read = readEvent(event, moved, until);
    if (typeof read === 'string') result.unreadable.push({ line: event.line, name, reason: read });
    else if ('left_out' in read) result.left_out.push({ line: event.line, name, reason: read.left_out });
    else
      for (const day of read.days) {
        if (day < from || day > until) continue;
        const before = names.get(day);
        names.set(
          day,
          before === undefined || before === name ? name : `${before}, ${name}`.slice(0, MAX_NAME),
        );
      }
  }
  result.holidays = [...names]
    .sort(([a], [b]) => a - b)
    .map(([day, name]) => ({ date: dateOfDay(day), name: name || 'Holiday' }));
  return result;
}

/** The events of the file, whatever else it holds. */
function readEvents(lines: readonly IcsLine[]): Event[] | IcsError {
  const events: Event[] = [];
  const open: IcsLine[] = [];
  for (const line of lines) {
    const value = line.value.trim().toUpperCase();
    if (open.length === 0 && (line.name !== 'BEGIN' || value !== 'VCALENDAR'))
      return fault(line.number, 'A calendar begins with BEGIN:VCALENDAR');
    if (line.name === 'BEGIN') {
      open.push(line);
      if (value === 'VEVENT' && open.length === 2) events.push({ line: line.number, properties: new Map() });
      if (events.length > MAX_ICS_EVENTS) return fault(line.number, `More than ${MAX_ICS_EVENTS} events`);
    } else if (line.name === 'END') {
      const begun = open.pop()!;
      if (begun.value.trim().toUpperCase() !== value)
        return fault(line.number, `END:${value} ends what began in line ${begun.number}`);
    } else if (open.length === 2 && open[1]!.value.trim().toUpperCase() === 'VEVENT') {
      const { properties } = events.at(-1)!;
      properties.set(line.name, [...(properties.get(line.name) ?? []), line]);
    }
  }
  if (lines.length === 0) return fault(1, 'The file is empty');
  return open.length === 0 ? events : fault(open.at(-1)!.number, `${open.at(-1)!.value} is not ended`);
}

function fault(line: number, detail: string): IcsError {
  return { ok: false, line, detail };
}

function one(event: Event, name: string): IcsLine | undefined {
  return event.properties.get(name)?.[0];
}

/** Single occurrences that have an event of their own, by the whole's identity. */
function movedOccurrences(events: readonly Event[]): Map<string, Set<number>> {
  const moved = new Map<string, Set<number>>();
  for (const event of events) {
    const uid = one(event, 'UID')?.value;
    const day = dayOfIcsDate(one(event, 'RECURRENCE-ID')?.value.slice(0, 8) ?? '');
    if (uid === undefined || day === null) continue;
    moved.set(uid, (moved.get(uid) ?? new Set()).add(day));
  }
  return moved;
}

type Read = { days: number[] } | { left_out: string } | string;

function readEvent(event: Event, moved: Map<string, Set<number>>, until: number): Read {
  if (one(event, 'STATUS')?.value.trim().toUpperCase() === 'CANCELLED')
    return { left_out: 'It is cancelled' };
  const begins = one(event, 'DTSTART');
  if (begins === undefined) return 'It has no DTSTART';
  if (!isDate(begins)) return { left_out: 'It is not an all-day event' };
  const first = dayOfIcsDate(begins.value.trim());
  if (first === null) return `DTSTART ${begins.value} is no date`;
  const length = lengthOf(event, first);
  if (typeof length === 'string') return length;
  const starts = startsOf(event, first, until);
  if (typeof starts === 'string') return starts;
  const without = one(event, 'RECURRENCE-ID') ? new Set<number>() : moved.get(one(event, 'UID')?.value ?? '');
  const days = starts.filter((start) => !without?.has(start));
  return { days: days.flatMap((start) => Array.from({ length }, (_, i) => start + i)) };
}

function isDate(line: IcsLine): boolean {
  return (line.parameters.get('VALUE')?.toUpperCase() ?? '') === 'DATE' || /^\d{8}$/.test(line.value.trim());
}

/** Days from DTSTART to DTEND, which is the day after the last. */
function lengthOf(event: Event, first: number): number | string {
  const ends = one(event, 'DTEND');
  const duration = one(event, 'DURATION');
  let length = 1;
  if (ends !== undefined) {
    const end = isDate(ends) ? dayOfIcsDate(ends.value.trim()) : null;
    if (end === null) return `DTEND ${ends.value} is no date`;
    // The same day is against the rules, and means that day to all who write it.
    length = Math.max(end - first, end === first ? 1 : 0);
  } else if (duration !== undefined) {
    const match = /^\+?P(?:(\d{1,3})W|(\d{1,3})D)$/i.exec(duration.value.trim());
    if (match === null) return `DURATION ${duration.value} is not in days or weeks`;
    length = match[1] ? Number(match[1]) * 7 : Number(match[2]);
  }
  if (length < 1) return 'It ends before it begins';
  return length > MAX_EVENT_DAYS ? `It is longer than ${MAX_EVENT_DAYS} days` : length;
}

/** Its first days: of every year, with those added and without those taken out. */
function startsOf(event: Event, first: number, until: number): number[] | string {
  const rules = event.properties.get('RRULE') ?? [];
  if (rules.length > 1) return 'It has two recurrence rules';
  let starts = [first];
  if (rules[0] !== undefined) {
    const rule = readYearlyRule(rules[0].value.trim());
    if (typeof rule === 'string') return rule;
    starts = occurrences(rule, first, until);
  }
  const added = datesOf(event, 'RDATE');
  const removed = datesOf(event, 'EXDATE');
  if (typeof added === 'string') return added;
  if (typeof removed === 'string') return removed;
  return [...new Set([...starts, ...added])].filter((day) => !removed.includes(day));
}

function datesOf(event: Event, name: string): number[] | string {
  const found: number[] = [];
  for (const line of event.properties.get(name) ?? []) {
    for (const text of line.value.split(',')) {
      const day = dayOfIcsDate(text.trim());
      if (day === null) return `${name} ${text} is no date`;
      found.push(day);
    }
  }
  return found;
}
