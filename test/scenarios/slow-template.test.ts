/** A template that loops for some contacts only: each of those is skipped alone, and all others get theirs (EXE-10). */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { previewSequence } from '../../src/plan/sequences/preview.ts';
import type { EngineWorld } from '../support/engine.ts';
import { email, liveTouch, way, workAt } from '../support/waits.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const CONTACTS = 72;
/** Twelve among them, the first three so early that nearly everybody comes after them. */
const runsAway = (place: number) => place % 6 === 2;
const BODY = `Hello${['a', 'b', 'c'].map((x) => `{% for ${x} in (1..contact.attributes.rounds) %}`).join('')}${'{% endfor %}'.repeat(3)}`;
const MINUTE = 61_000;
/** One that runs away is found out in every round at least. */
const MAX_ROUNDS = CONTACTS / 6;

async function enrolled(): Promise<{ sequence: Uuid; contacts: Uuid[]; enrollments: Uuid[] }> {
  const sequence = await world.sequence({ steps: [email({ body_text: BODY })] });
  const contacts = await world.contacts(CONTACTS);
  const rounds = contacts.map((_, place) => (runsAway(place) ? 900 : 2));
  await world.owner.call(sql`
    UPDATE contacts c SET attributes = jsonb_build_object('rounds', u.rounds)
      FROM unnest(${contacts}::uuid[], ${rounds}::int[]) u(id, rounds) WHERE c.id = u.id`);
  return { sequence, contacts, enrollments: await world.enroll(sequence, contacts) };
}

const waysOf = (enrollments: readonly Uuid[]) => Promise.all(enrollments.map((one) => way(world, one)));

describe('a template that runs away for twelve contacts among others', () => {
  it('[EXE-10] skips those twelve, and goes out to the sixty others within as many minutes', async () => {
    const { sequence, contacts, enrollments } = await enrolled();
    await workAt(world, 0);
    const first = await waysOf(enrollments);
    const wronged = first.filter(([text], place) => !runsAway(place) && text!.includes('skipped'));
    expect(wronged).toEqual([]);
    const waits = first.findIndex(([text], place) => text === '0 planned template_busy' && !runsAway(place));
    expect(waits).toBeGreaterThan(0);
    const touch = await liveTouch(world, enrollments[waits]!);
    expect(JSON.stringify(await explainTouch(world.db, world.org, touch.id))).toContain(
      'looked at again in about a minute',
    );
    const preview = { contact_id: contacts[waits]!, unsubscribe_url: 'https://example.com/u' };
    const { steps } = await previewSequence(world.db, world.versions, world.ctx, sequence, preview);
    expect(steps[0]).toMatchObject({ problem: null, text: expect.stringContaining('Hello') });

    let rounds = 1;
    while ((await waysOf(enrollments)).some(([text]) => text!.startsWith('0 planned'))) {
      expect(rounds).toBeLessThan(MAX_ROUNDS);
      await workAt(world, rounds++ * MINUTE);
    }
    const expected = enrollments.map((_, place) => [
      runsAway(place) ? '0 skipped template_timeout' : '0 sent',
    ]);
    expect(await waysOf(enrollments)).toEqual(expected);
    expect((await getEnrollment(world.db, world.org, enrollments[waits]!)).status).toBe('completed');
    expect((await getEnrollment(world.db, world.org, enrollments[2]!)).status).toBe('failed');
  });
});
