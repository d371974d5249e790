import { describe, expect, it } from 'vitest';
import { placeOf } from '../../contacts/place.ts';
import { dayOfDate, daysOff } from '../../schedule/days-off.ts';
import { NO_HOLIDAYS } from '../../senders/holidays.ts';
import { type Definition, definitionSchema } from './definition.ts';
import { opening, reopening } from './next.ts';
import { type Calendar, closedBy, needsPlace, rulesFor } from './time-rules.ts';

const CALENDAR: Calendar = {
  organization_zone: 'Europe/Berlin',
  sender_zone: null,
  sender_window: null,
  quiet_hours: null,
  holidays: NO_HOLIDAYS,
};
const NIGHT = { from: '21:00', to: '08:00', channels: ['email'] };

function sequence(channel: string, delay = { amount: 0, unit: 'days' }, more: object = {}): Definition {
  const parsed = definitionSchema.parse({ steps: [{ channel, delay, body_text: 'x' }], ...more });
  return { ...parsed, steps: parsed.steps.map((step) => ({ ...step, id: 'step', mode: 'automatic' })) };
}

const from = (zone: string | null, phone: string | null = null) =>
  placeOf({ time_zone: zone, phone }, CALENDAR.organization_zone);
const holidays = (country: string | null, ...dates: string[]) => {
  const set = daysOff(dates.map((date) => dayOfDate(date)!))!;
  return country === null
    ? { key: dates.join(), own: set, countries: new Map() }
    : { key: dates.join(), own: null, countries: new Map([[country, set]]) };
};

function show(open: ReturnType<typeof opening>): string {
  if (!open.ok) return open.detail;
  const end = open.not_after === null ? 'open' : new Date(open.not_after).toISOString().slice(0, 16);
  return `${new Date(open.not_before).toISOString().slice(0, 16)} ${end}`;
}

describe('the time of a touch', () => {
  it('[CON-7] of an e-mail asks nobody where its recipient is, unless quiet hours are set for it', () => {
    const at = Date.parse('2026-11-20T02:00:00Z');
    expect(needsPlace(CALENDAR, 'email')).toBe(false);
    expect(show(opening(sequence('email'), 0, at, CALENDAR, null))).toBe('2026-11-20T02:00 open');
    const quiet = { ...CALENDAR, quiet_hours: NIGHT };
    expect(needsPlace(quiet, 'email')).toBe(true);
    expect(() => opening(sequence('email'), 0, at, quiet, null)).toThrow('place');
    expect(show(opening(sequence('email'), 0, at, quiet, from('America/New_York')))).toBe(
      '2026-11-20T13:00 2026-11-21T02:00',
    );
  });

  it('[CON-7] of a text to an American telephone keeps the hours of the law, whatever is set', () => {
    const at = Date.parse('2026-11-20T02:30:00Z');
    const text = sequence('sms');
    expect(show(reopening(text, 'sms', at, CALENDAR, from(null, '+12125550123')))).toBe(
      '2026-11-20T13:00 2026-11-21T02:00',
    );
    expect(show(reopening(text, 'sms', at, CALENDAR, from('Europe/Berlin', '+12125550123')))).toBe(
      '2026-11-20T07:00 2026-11-20T20:00',
    );
    expect(show(reopening(text, 'sms', at, CALENDAR, from(null, '+4930901820')))).toBe(
      '2026-11-20T02:30 open',
    );
  });

  it('[SEQ-16] is in the windows of sequence and sender and outside quiet hours', () => {
    const days = ['mon', 'tue', 'wed', 'thu', 'fri'];
    const window = { days, from: '09:00', to: '18:00', time_zone: 'Europe/Berlin' };
    const calendar = { ...CALENDAR, quiet_hours: NIGHT };
    const at = Date.parse('2026-11-20T06:00:00Z');
    expect(
      show(opening(sequence('email', undefined, { window }), 0, at, calendar, from('America/New_York'))),
    ).toBe('2026-11-20T13:00 2026-11-20T17:00');
    // Berlin's office hours and Auckland's day meet in the one week between the two changes of the clock.
    expect(
      show(opening(sequence('email', undefined, { window }), 0, at, calendar, from('Pacific/Auckland'))),
    ).toBe('2027-03-29T07:00 2027-03-29T08:00');
  });

  it("[SEQ-16] counts the sequence's window in the sequence's zone, else in the organization's", () => {
    const window = { days: ['fri'], from: '09:00', to: '10:00' };
    const at = Date.parse('2026-11-20T00:00:00Z');
    const shown = (more: object, calendar = CALENDAR) =>
      show(opening(sequence('email', undefined, { window, ...more }), 0, at, calendar, null));
    expect(shown({ time_zone: 'Asia/Tokyo' })).toBe('2026-11-20T00:00 2026-11-20T01:00');
    expect(shown({})).toBe('2026-11-20T08:00 2026-11-20T09:00');
    expect(shown({}, { ...CALENDAR, organization_zone: 'UTC' })).toBe('2026-11-20T09:00 2026-11-20T10:00');
  });

  it('[CON-7] passes over holidays, as business days do', () => {
    const own = { ...CALENDAR, holidays: holidays(null, '2026-12-24', '2026-12-25') };
    const twoDays = { amount: 2, unit: 'business_days' };
    const at = Date.parse('2026-12-22T09:00:00Z');
    expect(show(opening(sequence('email', twoDays), 0, at, own, null))).toBe('2026-12-28T09:00 open');
    const german = { ...CALENDAR, holidays: holidays('DE', '2026-12-24', '2026-12-25') };
    expect(show(opening(sequence('email', twoDays), 0, at, german, from(null, '+4930901820')))).toBe(
      '2026-12-28T09:00 open',
    );
    expect(show(opening(sequence('email', twoDays), 0, at, german, from(null, '+33123456789')))).toBe(
      '2026-12-24T09:00 open',
    );
    const eve = Date.parse('2026-12-24T12:00:00Z');
    expect(closedBy(eve, rulesFor(sequence('email'), own, 'email', null))).toBe('holiday');
  });

  it('[I10] has no answer but why, where a zone does not exist or the rules never meet', () => {
    const quiet = { ...CALENDAR, quiet_hours: NIGHT };
    expect(show(opening(sequence('email'), 0, 0, quiet, from('Mars/Olympus')))).toBe(
      'There is no time zone "Mars/Olympus"',
    );
    expect(show(opening(sequence('email', undefined, { time_zone: 'Nowhere' }), 0, 0, CALENDAR, null))).toBe(
      'There is no time zone "Nowhere"',
    );
    const night = { days: ['mon'], from: '22:00', to: '23:00', time_zone: 'UTC' };
    expect(
      show(opening(sequence('email', undefined, { window: night }), 0, 0, quiet, from('Europe/London'))),
    ).toBe('These never meet: mon 22:00-23:00 in UTC and 08:00-21:00 in Europe/London');
  });

  it('[I10] keeps what it made for a place, and nothing of another', () => {
    const definition = sequence('email');
    const quiet = { ...CALENDAR, quiet_hours: NIGHT };
    const rules = rulesFor(definition, quiet, 'email', from('Asia/Tokyo'));
    expect(rulesFor(definition, quiet, 'email', from('Asia/Tokyo'))).toBe(rules);
    expect(rulesFor(definition, quiet, 'email', from('Asia/Kolkata'))).not.toBe(rules);
    expect(rulesFor(definition, quiet, 'sms', from('Asia/Tokyo'))).not.toBe(rules);
  });
});
