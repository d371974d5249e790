import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocate, placeTime, senderDays } from './slots.ts';
import type { Window } from './window.ts';

const HOUR = 3_600_000;
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

describe('postponed touches', () => {
  it('[EXE-7] go to the next days that have room, each once, in order', () => {
    // Friday noon, 200 a day, 150 used today, 30 already assigned to Monday.
    const opening = days('2026-11-20T12:00:00Z', 'UTC', [OFFICE]);
    const room = [50, 200, 200, 170];
    const { placements, unplaced } = allocate(450, (day) => room[day] ?? 200, opening);
    expect(unplaced).toBe(0);
    expect(placements.map((p) => [p.day, p.first, p.count, new Date(p.not_before).toISOString()])).toEqual([
      [0, 0, 50, '2026-11-20T12:00:00.000Z'],
      [3, 50, 170, '2026-11-23T09:00:00.000Z'],
      [4, 220, 200, '2026-11-24T09:00:00.000Z'],
      [5, 420, 30, '2026-11-25T09:00:00.000Z'],
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

  it('are spread evenly over the opening when asked, and stay inside it', () => {
    const placement = { day: 0, first: 0, count: 4, not_before: 0, not_after: 8 * HOUR };
    expect([0, 1, 2, 3].map((k) => placeTime(placement, k, true) / HOUR)).toEqual([0, 2, 4, 6]);
    expect([0, 3].map((k) => placeTime(placement, k))).toEqual([0, 0]);
    expect(placeTime({ ...placement, not_after: null }, 3, true)).toBe(0);
  });

  it('say how many found no place instead of looking for ever', () => {
    const nowhere = allocate(
      10,
      () => 0,
      () => ({ not_before: 0, not_after: null }),
    );
    expect(nowhere).toEqual({ placements: [], unplaced: 10 });
    const full = allocate(
      10,
      () => 3,
      (day) => ({ not_before: day, not_after: null }),
      2,
    );
    expect(full.unplaced).toBe(4);
  });

  it('are a refusal when the windows never open or the zone is unknown', () => {
    const sunday: Window = { ...OFFICE, days: ['sun'] };
    expect(senderDays(0, 'UTC', [OFFICE, sunday])).toMatchObject({ error: 'never_open' });
    expect(senderDays(0, 'Mars/Olympus', [])).toMatchObject({ error: 'bad_zone' });
  });

  it('never exceed a day, never skip room, and place every touch at most once', () => {
    const property = fc.property(
      fc.nat({ max: 5_000 }),
      fc.array(fc.integer({ min: -5, max: 400 }), { minLength: 1, maxLength: 60 }),
      fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
      (count, room, isOpen) => {
        const opening = (day: number) => (isOpen[day] ? { not_before: day, not_after: null } : null);
        const { placements, unplaced } = allocate(count, (day) => room[day] ?? 0, opening, 60);
        let next = 0;
        for (const [index, placement] of placements.entries()) {
          expect(placement.first).toBe(next);
          expect(placement.count).toBeLessThanOrEqual(room[placement.day]!);
          if (index < placements.length - 1) expect(placement.count).toBe(room[placement.day]);
          next += placement.count;
        }
        expect(next + unplaced).toBe(count);
        const possible = room.reduce((sum, one, day) => sum + (isOpen[day] ? Math.max(0, one) : 0), 0);
        expect(next).toBe(Math.min(count, possible));
      },
    );
    fc.assert(property);
  });
});
