/**
 * Yearly recurrences of RFC 5545, section 3.3.10, as calendars of holidays use them: the same date, some days of some
 * months, the nth weekday of a month or of the year. In: a rule's text and the first day. Out: day numbers.
 */
import { dayOfDate } from './days-off.ts';
import { weekday } from './zone.ts';

const WEEKDAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'];
const KNOWN = new Set(['FREQ', 'INTERVAL', 'COUNT', 'UNTIL', 'BYMONTH', 'BYMONTHDAY', 'BYDAY', 'WKST']);

export interface YearlyRule {
  interval: number;
  count: number | null;
  /** The last day, inclusive. */
  until: number | null;
  months: number[];
  month_days: number[];
  /** `n` is 0 for every such weekday, negative from the end. */
  weekdays: { n: number; weekday: number }[];
}

/** The text says why it cannot be read. */
export function readYearlyRule(text: string): YearlyRule | string {
  const parts = new Map<string, string>();
  for (const part of text.toUpperCase().split(';').filter(Boolean)) {
    const [name = '', value = ''] = part.split('=');
    if (!KNOWN.has(name)) return `The recurrence ${name} is not supported`;
    if (value === '' || parts.has(name)) return `The recurrence's ${name} cannot be read`;
    parts.set(name, value);
  }
  if (parts.get('FREQ') !== 'YEARLY')
    return `Only yearly recurrence is supported, not ${parts.get('FREQ') ?? 'one without FREQ'}`;
  const interval = integers(parts.get('INTERVAL') ?? '1', 1, 100);
  const count = parts.has('COUNT') ? integers(parts.get('COUNT')!, 1, 10_000) : [];
  const months = parts.has('BYMONTH') ? integers(parts.get('BYMONTH')!, 1, 12) : [];
  const month_days = parts.has('BYMONTHDAY') ? integers(parts.get('BYMONTHDAY')!, -31, 31) : [];
  const weekdays = parts.has('BYDAY') ? readWeekdays(parts.get('BYDAY')!) : [];
  const until = parts.has('UNTIL') ? dayOfIcsDate(parts.get('UNTIL')!.slice(0, 8)) : undefined;
  if (interval?.length !== 1 || count === null || count.length > 1 || months === null || until === null)
    return 'The recurrence has a number that cannot be read';
  if (month_days === null || month_days.includes(0) || weekdays === null)
    return 'The recurrence has a day that cannot be read';
  if (month_days.length > 0 && weekdays.some(({ n }) => n !== 0))
    return 'BYMONTHDAY with a numbered BYDAY is not supported';
  return {
    interval: interval[0]!,
    count: count[0] ?? null,
    until: until ?? null,
    months,
    month_days,
    weekdays,
  };
}

/** `20261225` */
export function dayOfIcsDate(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)$/.exec(text);
  return match === null ? null : dayOfDate(`${match[1]}-${match[2]}-${match[3]}`);
}

function integers(text: string, min: number, max: number): number[] | null {
  const list = text.split(',').map((one) => (/^[+-]?\d{1,5}$/.test(one) ? Number(one) : Number.NaN));
  return list.every((one) => one >= min && one <= max) ? list : null;
}

function readWeekdays(text: string): YearlyRule['weekdays'] | null {
  const found: YearlyRule['weekdays'] = [];
  for (const one of text.split(',')) {
    const match = /^([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)$/.exec(one);
    if (match === null) return null;
    found.push({ n: Number(match[1] ?? 0), weekday: WEEKDAYS.indexOf(match[2]!) });
  }
  return found;
}

/** The first days of all occurrences up to `last`; the first of all is `first`, whether the rule hits it or not. */
export function occurrences(rule: YearlyRule, first: number, last: number): number[] {
  const found = [first];
  const end = Math.min(last, rule.until ?? last);
  const begin = new Date(first * 86_400_000);
  for (let year = begin.getUTCFullYear(); ; year += rule.interval) {
    if (Date.UTC(year, 0, 1) / 86_400_000 > end) return found;
    for (const day of daysOfYear(rule, year, begin)) {
      if (day <= first) continue;
      if (day > end || (rule.count !== null && found.length >= rule.count)) return found;
      found.push(day);
    }
  }
}

function daysOfYear(rule: YearlyRule, year: number, begin: Date): number[] {
  const { months, month_days, weekdays } = rule;
  const days = new Set<number>();
  if (weekdays.length > 0 && months.length === 0 && month_days.length === 0) {
    addWeekdays(days, weekdays, numberOf(year, 0, 1), numberOf(year + 1, 0, 1));
  } else {
    const all = Array.from({ length: 12 }, (_, i) => i + 1);
    const own = [begin.getUTCMonth() + 1];
    for (const month of months.length > 0 ? months : month_days.length > 0 ? all : own) {
      const from = numberOf(year, month - 1, 1);
      const to = numberOf(year, month, 1);
      if (weekdays.length > 0 && month_days.length === 0) {
        addWeekdays(days, weekdays, from, to);
        continue;
      }
      for (const n of month_days.length > 0 ? month_days : [begin.getUTCDate()]) {
        const day = n > 0 ? from + n - 1 : to + n;
        const fits = weekdays.length === 0 || weekdays.some((one) => one.weekday === weekday(day));
        // The 29th of February and the like are left out in years without them.
        if (day >= from && day < to && fits) days.add(day);
      }
    }
  }
  return [...days].sort((a, b) => a - b);
}

function numberOf(year: number, month: number, day: number): number {
  return Date.UTC(year, month, day) / 86_400_000;
}

/** Of a month or a year: `from` inclusive, `to` exclusive. */
function addWeekdays(days: Set<number>, wanted: YearlyRule['weekdays'], from: number, to: number): void {
  for (const { n, weekday: wantedDay } of wanted) {
    const firstOne = from + ((wantedDay - weekday(from) + 7) % 7);
    const lastOne = to - 1 - ((weekday(to - 1) - wantedDay + 7) % 7);
    if (n === 0) for (let day = firstOne; day < to; day += 7) days.add(day);
    else {
      const day = n > 0 ? firstOne + (n - 1) * 7 : lastOne + (n + 1) * 7;
      if (day >= from && day < to) days.add(day);
    }
  }
}
