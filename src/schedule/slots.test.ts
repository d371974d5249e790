import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeInOrder, type SenderDays, senderDays } from './slots.ts';
import { WEEKDAYS, type Window } from './window.ts';

const OFFICE: Window = {
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '09:00',
  to: '17:00',
  time_zone: 'UTC',
};

function days(from: string, timeZone: string, windows: Window[]) {
  const found = senderDays(Date.parse(from), timeZone, windows);
  if (typeof found !== 'function') throw new Error(found.error);
  return found;
}

/** Days that are open from their own number to the next; those not in the list are closed. */
const plainDays =
  (isOpen: readonly boolean[] = []): SenderDays =>
  (day) =>
    isOpen[day] === false ? null : { date: String(day), not_before: day, not_after: day + 1 };

describe('postponed touches', () => {
  it('[EXE-7] go to the next days that have room, each once, in order', () => {
    // Friday noon, 200 a day, 150 used today, 30 already assigned to Monday.
    const opening = days('2026-11-20T12:00:00Z', 'UTC', [OFFICE]);
    const room: Record<string, number> = { '2026-11-20': 50, '2026-11-23': 170 };
    const places = placeInOrder(Array(450).fill(opening), (date) => room[date] ?? 200);
    const runs = new Map<string, number>();
    for (const place of places) {
      const at = new Date(place!.not_before).toISOString();
      runs.set(at, (runs.get(at) ?? 0) + 1);
    }
    expect([...runs]).toEqual([
      ['2026-11-20T12:00:00.000Z', 50],
      ['2026-11-23T09:00:00.000Z', 170],
      ['2026-11-24T09:00:00.000Z', 200],
      ['2026-11-25T09:00:00.000Z', 30],
    ]);
  });

  it("[EXE-7] are counted by the sender's own days", () => {
    const opening = days('2026-11-20T23:00:00Z', 'America/New_York', []);
    expect(opening(0)).toEqual({
      date: '2026-11-20',
      not_before: Date.parse('2026-11-20T23:00:00Z'),
      not_after: Date.parse('2026-11-21T05:00:00Z'),
    });
    expect(opening(1)).toMatchObject({ date: '2026-11-21', not_before: Date.parse('2026-11-21T05:00:00Z') });
  });

  it("[EXE-7] [CON-7] to recipients in different places share a sender's days, each at its own hours", () => {
    const day: Window = { days: [...WEEKDAYS], from: '08:00', to: '21:00', time_zone: 'Europe/Berlin' };
    const berlin = days('2026-11-20T00:00:00Z', 'UTC', [day]);
    const sydney = days('2026-11-20T00:00:00Z', 'UTC', [{ ...day, time_zone: 'Australia/Sydney' }]);
    const places = placeInOrder([berlin, sydney, berlin, sydney], () => 3);
    expect(
      places.map((place) => `${place!.date} ${new Date(place!.not_before).toISOString().slice(5, 16)}`),
    ).toEqual([
      '2026-11-20 11-20T07:00',
      '2026-11-20 11-20T00:00',
      '2026-11-20 11-20T07:00',
      '2026-11-21 11-21T00:00',
    ]);
  });

  it('say which found no place instead of looking for ever', () => {
    expect(placeInOrder([plainDays(), plainDays()], () => 0)).toEqual([null, null]);
    const full = placeInOrder(Array(10).fill(plainDays()), () => 3, 2);
    expect(full.filter((place) => place === null)).toHaveLength(4);
  });

  it('are a refusal when the windows never open or the zone is unknown', () => {
    const sunday: Window = { ...OFFICE, days: ['sun'] };
    expect(senderDays(0, 'UTC', [OFFICE, sunday])).toMatchObject({ error: 'never_open' });
    expect(senderDays(0, 'Mars/Olympus', [])).toMatchObject({ error: 'bad_zone' });
  });

  it('never exceed a day, never skip room, and keep their order within a place', () => {
    const property = fc.property(
      fc.array(fc.nat({ max: 2 }), { maxLength: 800 }),
      fc.array(fc.integer({ min: -5, max: 60 }), { minLength: 1, maxLength: 60 }),
      fc.array(fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), { minLength: 3, maxLength: 3 }),
      (groups, room, open) => {
        const kinds = open.map(plainDays);
        const places = placeInOrder(
          groups.map((group) => kinds[group]!),
          (date) => room[Number(date)] ?? 0,
          60,
        );
        const used = new Map<number, number>();
        places.forEach((place, i) => {
          // First come first served: every earlier day that is open to it was full by then.
          for (let day = 0; day < (place?.not_before ?? 60); day++)
            if (open[groups[i]!]![day])
              expect(used.get(day) ?? 0).toBeGreaterThanOrEqual(Math.max(0, room[day] ?? 0));
          if (place) used.set(place.not_before, (used.get(place.not_before) ?? 0) + 1);
        });
        for (const [day, count] of used) expect(count).toBeLessThanOrEqual(room[day]!);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });
});
