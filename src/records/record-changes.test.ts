/** [SEQ-11] What a change of a record tells. */
import { describe, expect, it } from 'vitest';
import { EVENT_NAME, RECORD_EVENTS } from './event-names.ts';
import { changeNames, RECORD_KINDS, RECORD_STATUSES, type RecordFacts, slug } from './record-changes.ts';

const facts = (more: Partial<RecordFacts>): RecordFacts => ({
  kind: 'deal',
  external_id: 'x',
  title: null,
  status: 'new',
  starts_at: null,
  ends_at: null,
  amount: null,
  currency: null,
  properties: {},
  ...more,
});

describe('a stage in the name of an event', () => {
  it.each([
    ['Closed – Won', 'closed_won'],
    ['Angebot geprüft', 'angebot_gepruft'],
    ['  !! ', 'other'],
    ['成交', 'other'],
    ['x'.repeat(300), 'x'.repeat(60)],
  ])('%s', (stage, name) => {
    expect(slug(stage)).toBe(name);
    expect(changeNames(null, facts({ status: stage }))[1]).toMatch(EVENT_NAME);
  });
});

it('[SEQ-11] what is told of any change is in the list of names', () => {
  const known = Object.keys(RECORD_EVENTS).map(
    (name) => new RegExp(`^${name.replaceAll('.', '\\.').replace('*', '[a-z0-9_]+')}$`),
  );
  for (const kind of RECORD_KINDS) {
    const states = (RECORD_STATUSES[kind] ?? ['new', 'won']).map((status) => facts({ kind, status }));
    for (const before of [null, ...states])
      for (const after of [...states, facts({ ...states[0]!, starts_at: new Date(0) }), null]) {
        if (before === null && after === null) continue;
        const names = changeNames(before, after);
        for (const name of names) expect([name, known.some((one) => one.test(name))]).toEqual([name, true]);
        expect(new Set(names).size).toBe(names.length);
      }
  }
});

it('[SEQ-11] an appointment that is confirmed when it is first told of was booked too', () => {
  const appointment = facts({ kind: 'appointment', status: 'confirmed' });
  expect(changeNames(null, appointment)).toEqual(['appointment.booked', 'appointment.confirmed']);
  expect(changeNames(null, { ...appointment, status: 'cancelled' })).toEqual(['appointment.cancelled']);
});
