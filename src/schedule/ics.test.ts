import { describe, expect, it } from 'vitest';
import { dayOfDate } from './days-off.ts';
import { readIcs } from './ics.ts';

const FROM = dayOfDate('2026-01-01')!;
const UNTIL = dayOfDate('2029-12-31')!;

function calendar(...events: string[]): string {
  return [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    ...events.map((event) => `BEGIN:VEVENT\n${event}\nEND:VEVENT`),
    'END:VCALENDAR',
  ].join('\n');
}

function read(...events: string[]) {
  const result = readIcs(calendar(...events), FROM, UNTIL);
  if (!result.ok) throw new Error(`line ${result.line}: ${result.detail}`);
  return result;
}

const dates = (...events: string[]) => read(...events).holidays.map(({ date }) => date);
const yearly = (start: string, rule: string) => dates(`DTSTART;VALUE=DATE:${start}\nRRULE:${rule}`);

describe('[CON-7] holidays of an .ics file', () => {
  it('[CON-7] are its all-day events, by date, with their names', () => {
    const result = read(
      'SUMMARY:Tag der Arbeit\nDTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260502',
      'SUMMARY;LANGUAGE=de:Neujahr\\, der erste\nDTSTART:20260101',
    );
    expect(result.holidays).toEqual([
      { date: '2026-01-01', name: 'Neujahr, der erste' },
      { date: '2026-05-01', name: 'Tag der Arbeit' },
    ]);
    expect(result.left_out).toEqual([]);
  });

  it('[CON-7] may last several days; the end is the day after the last', () => {
    expect(dates('DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227')).toEqual([
      '2026-12-24',
      '2026-12-25',
      '2026-12-26',
    ]);
    expect(dates('DTSTART;VALUE=DATE:20261224\nDURATION:P2D')).toEqual(['2026-12-24', '2026-12-25']);
    expect(dates('DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261224')).toEqual(['2026-12-24']);
    expect(dates('DTSTART;VALUE=DATE:20251230\nDTEND;VALUE=DATE:20260103')).toEqual([
      '2026-01-01',
      '2026-01-02',
    ]);
  });

  it('[CON-7] come back every year as their rule says', () => {
    expect(yearly('20181225', 'FREQ=YEARLY')).toEqual([
      '2026-12-25',
      '2027-12-25',
      '2028-12-25',
      '2029-12-25',
    ]);
    // Thanksgiving, Memorial Day, the first Monday of the year, election day.
    expect(yearly('20251127', 'FREQ=YEARLY;BYMONTH=11;BYDAY=4TH')).toEqual([
      '2026-11-26',
      '2027-11-25',
      '2028-11-23',
      '2029-11-22',
    ]);
    expect(yearly('20250526', 'FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO')).toEqual([
      '2026-05-25',
      '2027-05-31',
      '2028-05-29',
      '2029-05-28',
    ]);
    expect(yearly('20260105', 'FREQ=YEARLY;BYDAY=1MO')).toEqual([
      '2026-01-05',
      '2027-01-04',
      '2028-01-03',
      '2029-01-01',
    ]);
    expect(yearly('20241105', 'FREQ=YEARLY;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;INTERVAL=4')).toEqual(
      ['2028-11-07'],
    );
    expect(yearly('20240229', 'FREQ=YEARLY')).toEqual(['2028-02-29']);
    expect(yearly('20260101', 'FREQ=YEARLY;COUNT=2')).toEqual(['2026-01-01', '2027-01-01']);
    expect(yearly('20260101', 'FREQ=YEARLY;UNTIL=20280101')).toEqual([
      '2026-01-01',
      '2027-01-01',
      '2028-01-01',
    ]);
    expect(yearly('20260131', 'FREQ=YEARLY;BYMONTH=1,6;BYMONTHDAY=-1')).toHaveLength(8);
  });

  it('[CON-7] leave out single days, add others and move one', () => {
    const event =
      'UID:a\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20270101\nRDATE;VALUE=DATE:20260707';
    expect(dates(event)).toEqual(['2026-01-01', '2026-07-07', '2028-01-01', '2029-01-01']);
    const moved = 'UID:a\nRECURRENCE-ID;VALUE=DATE:20280101\nDTSTART;VALUE=DATE:20280103';
    expect(dates(event, moved)).toEqual(['2026-01-01', '2026-07-07', '2028-01-03', '2029-01-01']);
  });

  it('[CON-7] are not its meetings and not what was cancelled: said, with the line', () => {
    const result = read(
      'SUMMARY:Stand-up\nDTSTART;TZID=Europe/Berlin:20260501T090000',
      'SUMMARY:Off\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20260502',
    );
    expect(result.holidays).toEqual([]);
    expect(result.left_out).toEqual([
      { line: 3, name: 'Stand-up', reason: 'It is not an all-day event' },
      { line: 7, name: 'Off', reason: 'It is cancelled' },
    ]);
  });

  it('[CON-7] that cannot be read are named, never guessed', () => {
    const reasons = (...events: string[]) => read(...events).unreadable.map(({ reason }) => reason);
    expect(reasons('SUMMARY:x')).toEqual(['It has no DTSTART']);
    expect(reasons('DTSTART;VALUE=DATE:20260230')).toEqual(['DTSTART 20260230 is no date']);
    expect(reasons('DTSTART:20260101\nDTEND:20251231')).toEqual(['It ends before it begins']);
    expect(reasons('DTSTART:20260101\nDTEND:20270101')).toEqual(['It is longer than 100 days']);
    expect(reasons('DTSTART:20260101\nRRULE:FREQ=WEEKLY')).toEqual([
      'Only yearly recurrence is supported, not WEEKLY',
    ]);
    expect(reasons('DTSTART:20260101\nRRULE:FREQ=YEARLY;BYSETPOS=1')).toEqual([
      'The recurrence BYSETPOS is not supported',
    ]);
    expect(reasons('DTSTART:20260101\nRRULE:FREQ=YEARLY;BYMONTH=13')).toEqual([
      'The recurrence has a number that cannot be read',
    ]);
    expect(reasons('DTSTART:20260101\nRRULE:FREQ=YEARLY;BYDAY=XX')).toEqual([
      'The recurrence has a day that cannot be read',
    ]);
    expect(reasons('DTSTART:20260101\nEXDATE:2026')).toEqual(['EXDATE 2026 is no date']);
  });

  it('[CON-7] of a file that is no calendar: its line says why', () => {
    const error = (text: string) => {
      const result = readIcs(text, FROM, UNTIL);
      return result.ok ? 'read' : `${result.line}: ${result.detail}`;
    };
    expect(error('')).toBe('1: The file is empty');
    expect(error('Date,Name\n2026-01-01,New Year')).toBe('1: Date has no value');
    expect(error('BEGIN:VCARD\nEND:VCARD')).toBe('1: A calendar begins with BEGIN:VCALENDAR');
    expect(error('BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR')).toBe(
      '3: END:VCALENDAR ends what began in line 2',
    );
    expect(error('BEGIN:VCALENDAR\nBEGIN:VEVENT')).toBe('2: BEGIN:VEVENT is not ended'.replace('BEGIN:', ''));
    expect(error('BEGIN:VCALENDAR\n???\nEND:VCALENDAR')).toBe('2: This line has no name');
    expect(error('END:VCALENDAR')).toBe('1: A calendar begins with BEGIN:VCALENDAR');
  });

  it('[CON-7] are found in what Google, Outlook and others write: folded lines, CRLF, BOM, other components', () => {
    const text = [
      '\uFEFFBEGIN:VCALENDAR',
      'PRODID:-//Google Inc//Google Calendar 70.9054//EN',
      'X-WR-CALNAME;X="a:b;c":Holidays',
      'BEGIN:VTIMEZONE',
      'TZID:Europe/Berlin',
      'BEGIN:STANDARD',
      'DTSTART:19701025T030000',
      'RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU',
      'END:STANDARD',
      'END:VTIMEZONE',
      'BEGIN:VEVENT',
      'DTSTART;VALUE=DATE:20261003',
      'SUMMARY:Tag der Deutschen',
      '  Einheit',
      'TRANSP:TRANSPARENT',
      'BEGIN:VALARM',
      'TRIGGER:-PT10M',
      'END:VALARM',
      'END:VEVENT',
      'END:VCALENDAR',
      '',
    ].join('\r\n');
    expect(readIcs(text, FROM, UNTIL)).toEqual({
      ok: true,
      holidays: [{ date: '2026-10-03', name: 'Tag der Deutschen Einheit' }],
      left_out: [],
      unreadable: [],
    });
  });
});
