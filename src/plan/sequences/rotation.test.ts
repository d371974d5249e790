import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { capacityOf, Rotation } from './rotation.ts';

type Settings = ConstructorParameters<typeof Rotation>[1] extends ReadonlyMap<Uuid, infer S> ? S : never;

const sender = (daily_limit: number | null, more: Partial<Settings> = {}): [Uuid, Settings] => [
  newId(),
  { daily_limit, hourly_limit: null, ramp: null, status: 'active', ...more },
];

/** Of e-mail alone, in this order. */
function rotation(senders: readonly [Uuid, Settings][]): Rotation {
  return new Rotation(new Map([['email', senders.map(([id]) => id)]]), new Map(senders));
}
const chosen = (senders: readonly [Uuid, Settings][], contacts: readonly Uuid[]) => {
  const of = rotation(senders);
  return contacts.map((contact) => of.of(contact)[0]!);
};
const CONTACTS = Array.from({ length: 4_000 }, () => newId());

/** Five standard deviations: one run in a million is further off. */
function expectShare(count: number, all: number, share: number): void {
  expect(Math.abs(count - all * share)).toBeLessThan(5 * Math.sqrt(all * share * (1 - share)) + 1);
}

const limits = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 2, maxLength: 6 });

describe('the rotation over several senders', () => {
  it('[EXE-7] gives each as many as it may send a day', () => {
    const [small, large] = [sender(20), sender(200)];
    const given = chosen([small, large], CONTACTS);
    expectShare(given.filter((id) => id === small[0]).length, CONTACTS.length, 20 / 220);
    fc.assert(
      fc.property(limits, (daily) => {
        const senders = daily.map((limit) => sender(limit));
        const all = daily.reduce((sum, limit) => sum + limit, 0);
        const found = chosen(senders, CONTACTS);
        for (const [i, [id]] of senders.entries())
          expectShare(found.filter((one) => one === id).length, CONTACTS.length, daily[i]! / all);
      }),
      { numRuns: 20 },
    );
  });

  it('[EXE-7] says the same whatever the order, and whoever is asked for before', () => {
    fc.assert(
      fc.property(limits, (daily) => {
        const senders = daily.map((limit) => sender(limit));
        const some = CONTACTS.slice(0, 200);
        const found = chosen(senders, some);
        expect(chosen(senders.toReversed(), some)).toEqual(found);
        expect(chosen(senders, some.toReversed()).toReversed()).toEqual(found);
      }),
    );
  });

  it('[EXE-7] a sender that comes or goes, or changes its limit, moves only what it takes or leaves', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 500 }), (daily, limit) => {
        const before = daily.map((one) => sender(one));
        const added = sender(limit);
        const some = CONTACTS.slice(0, 500);
        const without = chosen(before, some);
        const having = chosen([...before, added], some);
        for (const [i, id] of having.entries()) if (id !== added[0]) expect(id).toBe(without[i]);
        const raised = chosen([...before, [added[0], { ...added[1], daily_limit: limit * 3 }]], some);
        for (const [i, id] of raised.entries()) if (id !== added[0]) expect(id).toBe(having[i]);
        for (const [i, id] of having.entries()) if (id === added[0]) expect(raised[i]).toBe(id);
      }),
    );
  });

  it('[EXE-7] gives nobody new to one that is paused or archived while there is another', () => {
    const [active, paused, archived] = [
      sender(1),
      sender(500, { status: 'paused' }),
      sender(500, { status: 'archived' }),
    ];
    expect(new Set(chosen([active, paused, archived], CONTACTS))).toEqual(new Set([active[0]]));
    expect(new Set(chosen([paused, archived], CONTACTS))).toEqual(new Set([paused[0]]));
    expect(chosen([archived, sender(5, { status: 'archived' })], CONTACTS)).toHaveLength(CONTACTS.length);
  });

  it('[EXE-7] weighs a sender by what it may send when its ramp is over', () => {
    const ramp = { start: 5, increase: 5, every_days: 1 };
    const none = { daily_limit: null, hourly_limit: null, ramp: null };
    expect(capacityOf({ ...none, daily_limit: 200, ramp })).toBe(200);
    expect(capacityOf({ ...none, daily_limit: 200, ramp: { ...ramp, increase: 0 } })).toBe(5);
    expect(capacityOf({ ...none, daily_limit: 200, hourly_limit: 2 })).toBe(48);
    expect(capacityOf({ ...none, ramp })).toBe(capacityOf(none));
    expect(capacityOf(none)).toBeGreaterThan(2_000);
  });

  it('[EXE-7] keeps nothing where each channel has one sender', () => {
    const [one, other] = [newId(), newId()];
    const channels = new Map([
      ['email', [one]],
      ['sms', [other]],
    ] as const);
    expect(new Rotation(channels, new Map()).of(CONTACTS[0]!)).toEqual([]);
  });
});
