/**
 * Sending windows [SEQ-16]. In: an instant and the rules that all must allow it: windows that must be open (the
 * sequence's, the sender's, those that quiet-hours.ts makes of the recipient's night) and holidays that it must not
 * be, each in its zone. Out: when it may be sent, or why never. A rule that cannot be read blocks and says so; it
 * never falls open.
 *
 * A window is the set of instants whose wall time in its zone lies in it, exactly: in the hour that the clock
 * skips there is no such instant, in the hour that it repeats there are two stretches.
 */
import { type DaysOff, nextWorking, type Stretch as Opening } from './days-off.ts';
import { DAY_MS, findZone, localDay, MINUTE_MS, segmentsAround, weekday, type Zone } from './zone.ts';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

export interface Window {
  days: readonly Weekday[];
  /** `HH:MM`, inclusive. */
  from: string;
  /** `HH:MM` or `24:00`, exclusive. Earlier than `from` means over midnight, and belongs to the day it began. */
  to: string;
  time_zone: string;
}

/** Closed while the zone's calendar shows one of the days. */
export interface Closure {
  days_off: DaysOff;
  time_zone: string;
}

export type Rule = Window | Closure;

export type WindowError = { ok: false; error: 'bad_zone' | 'bad_window' | 'never_open'; detail: string };

/** Unix milliseconds; `not_after` is null when nothing limits it. */
export type OpenResult = { ok: true; not_before: number; not_after: number | null } | WindowError;

/** Windows that have not met in this time never do: it covers every pair of daylight rules once. */
const HORIZON_DAYS = 400;
/** An opening is followed no further than this; one that never closes is cut here, and simply asked again. */
const LONGEST_OPENING_MS = 8 * DAY_MS;
const MAX_CACHED_SETS = 2_000;
const MAX_CACHED_DAYS = 800;

const TIME_OF_DAY = /^([01][0-9]|2[0-3]):([0-5][0-9])$/;

interface OpenHours {
  zone: Zone;
  /** Bit n is set when the window begins on weekday n. */
  days: number;
  from: number;
  to: number;
}

interface ClosedDays {
  zone: Zone;
  daysOff: DaysOff;
}

type ReadRule = OpenHours | ClosedDays;

interface RuleSet {
  rules: ReadRule[];
  /** By UTC day: the openings up to the one that reaches past it, or null when there is none. */
  byDay: Map<number, Opening[] | null>;
}

const setsByArray = new WeakMap<readonly Rule[], RuleSet | WindowError>();
const setsByText = new Map<string, RuleSet | WindowError>();

/** When a touch that is due at `ms` may be sent. No rules: at once, without end. */
export function nextOpen(ms: number, rules: readonly Rule[]): OpenResult {
  if (rules.length === 0) return { ok: true, not_before: ms, not_after: null };
  const set = setOf(rules);
  if ('error' in set) return set;
  const openings = openingsOf(set, Math.floor(ms / DAY_MS));
  if (openings !== null) {
    for (const opening of openings) {
      if (opening.end > ms)
        return {
          ok: true,
          not_before: Math.max(ms, opening.start),
          not_after: opening.end === Infinity ? null : opening.end,
        };
    }
  }
  return { ok: false, error: 'never_open', detail: describe(rules) };
}

/** Do all rules allow this instant? */
export function isOpen(ms: number, rules: readonly Rule[]): boolean {
  const open = nextOpen(ms, rules);
  return open.ok && open.not_before === ms;
}

/** What is wrong with a rule, or null. */
export function windowProblem(rule: Rule): WindowError | null {
  const read = readRule(rule);
  return 'error' in read ? read : null;
}

/** Windows with the same hours together: somebody who may be in ten zones has ten of them. */
function describe(rules: readonly Rule[]): string {
  const zones = new Map<string, string[]>();
  for (const rule of rules) {
    const text =
      'days_off' in rule
        ? 'no holiday'
        : `${rule.days.length < 7 ? `${rule.days.join(',')} ` : ''}${rule.from}-${rule.to}`;
    zones.set(text, [...(zones.get(text) ?? []), rule.time_zone]);
  }
  return [...zones].map(([text, names]) => `${text} in ${names.join(', ')}`).join(' and ');
}

function setOf(rules: readonly Rule[]): RuleSet | WindowError {
  const known = setsByArray.get(rules);
  if (known !== undefined) return known;
  const text = JSON.stringify(rules);
  let set = setsByText.get(text);
  if (set === undefined) {
    if (setsByText.size >= MAX_CACHED_SETS) setsByText.clear();
    set = readRules(rules);
    setsByText.set(text, set);
  }
  setsByArray.set(rules, set);
  return set;
}

function readRules(rules: readonly Rule[]): RuleSet | WindowError {
  const read: ReadRule[] = [];
  for (const rule of rules) {
    const one = readRule(rule);
    if ('error' in one) return one;
    read.push(one);
  }
  return { rules: read, byDay: new Map() };
}

function readRule(rule: Rule): ReadRule | WindowError {
  if (!('days_off' in rule)) return readWindow(rule);
  const zone = findZone(rule.time_zone);
  return zone === null
    ? { ok: false, error: 'bad_zone', detail: rule.time_zone }
    : { zone, daysOff: rule.days_off };
}

function readWindow(window: Window): OpenHours | WindowError {
  const zone = findZone(window.time_zone);
  if (zone === null) return { ok: false, error: 'bad_zone', detail: window.time_zone };
  const from = readTime(window.from);
  const to = window.to === '24:00' ? DAY_MS : readTime(window.to);
  if (from === null || to === null || from === to) {
    return { ok: false, error: 'bad_window', detail: `${window.from}-${window.to}` };
  }
  let days = 0;
  for (const name of window.days) {
    const index = WEEKDAYS.indexOf(name);
    if (index < 0) return { ok: false, error: 'bad_window', detail: `day ${name}` };
    days |= 1 << index;
  }
  if (days === 0) return { ok: false, error: 'bad_window', detail: 'no days' };
  return { zone, days, from, to: to > from ? to : to + DAY_MS };
}

function readTime(text: string): number | null {
  const match = TIME_OF_DAY.exec(text);
  return match === null ? null : (Number(match[1]) * 60 + Number(match[2])) * MINUTE_MS;
}

function openingsOf(set: RuleSet, day: number): Opening[] | null {
  const known = set.byDay.get(day);
  if (known !== undefined) return known;
  if (set.byDay.size >= MAX_CACHED_DAYS) set.byDay.clear();
  const openings: Opening[] = [];
  const end = (day + 1) * DAY_MS;
  let opening = nextOpening(set.rules, day * DAY_MS);
  while (opening !== null) {
    openings.push(opening);
    if (opening.end >= end) break;
    opening = nextOpening(set.rules, opening.end);
  }
  const found = openings.length === 0 ? null : openings;
  set.byDay.set(day, found);
  return found;
}

/** The first stretch that ends after `ms` and that all rules allow. */
function nextOpening(rules: ReadRule[], ms: number): Opening | null {
  let at = ms;
  // A rule knows of its own past only so far back.
  let earliest = -Infinity;
  while (at <= ms + HORIZON_DAYS * DAY_MS) {
    let start = earliest;
    let end = Infinity;
    for (const rule of rules) {
      const opening = 'daysOff' in rule ? nextWorking(rule.daysOff, rule.zone, at) : nextOfOne(rule, at);
      if (opening === null) return null;
      start = Math.max(start, opening.start);
      end = Math.min(end, opening.end);
    }
    if (start < end) return { start, end };
    // One closes before another opens: nothing can be open before `start`.
    at = start;
    earliest = start;
  }
  return null;
}

/** The first stretch of one window that ends after `ms`, joined with those that follow without a gap. */
function nextOfOne(window: OpenHours, ms: number): Opening | null {
  const today = localDay(window.zone, ms);
  let found: Opening | null = null;
  // From yesterday, for a window over midnight. A weekly half hour that the clock skips is a fortnight away.
  for (let day = today - 1; day <= today + 22; day++) {
    if ((window.days & (1 << weekday(day))) === 0) continue;
    for (const piece of piecesOfDay(window, day)) {
      if (found === null) {
        if (piece.end > ms) found = piece;
      } else if (piece.start <= found.end) {
        found.end = Math.max(found.end, piece.end);
      } else {
        return found;
      }
    }
    if (found !== null && found.end - ms > LONGEST_OPENING_MS) return found;
  }
  return found;
}

function piecesOfDay(window: OpenHours, day: number): Opening[] {
  const wallFrom = day * DAY_MS + window.from;
  const wallTo = day * DAY_MS + window.to;
  const pieces: Opening[] = [];
  for (const segment of segmentsAround(window.zone, wallFrom, wallTo)) {
    const start = Math.max(segment.from, wallFrom - segment.offset);
    const end = Math.min(segment.to, wallTo - segment.offset);
    if (start < end) pieces.push({ start, end });
  }
  return pieces;
}
