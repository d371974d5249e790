/** Waits, branches and conditions of steps (SEQ-14, EXE-10), as a worker looks at them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { grantConsent } from '../../src/contacts/consent.ts';
import { updateContact } from '../../src/contacts/save-contact.ts';
import { addSuppression, removeSuppression } from '../../src/contacts/suppression.ts';
import { sql } from '../../src/db/sql.ts';
import type { Failpoint } from '../../src/dispatch/engine.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { act, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { moveEnrollments } from '../../src/plan/sequences/move-enrollments.ts';
import { endEnrollment, hold } from '../../src/plan/stop.ts';
import { recordEvents } from '../../src/records/events.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { connection, holder, untilWaiting } from '../support/interleave.ts';
import { publishVersion } from '../support/outreach.ts';
import { enrollmentRow, touchRow } from '../support/touches.ts';
import { branch, DAY, days, email, liveTouch, tag, VIP, waitFor, way, workAt } from '../support/waits.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

async function person(...steps: object[]): Promise<{ id: Uuid; contact: Uuid; sequence: Uuid }> {
  const sequence = await world.sequence({ steps });
  const [contact] = await world.contacts(1);
  const [id] = await world.enroll(sequence, [contact!]);
  return { id: id!, contact: contact!, sequence };
}

const sent = () => world.provider.calls.length;
const status = async (id: Uuid) => (await getEnrollment(world.db, world.org, id)).status;

describe('a wait', () => {
  it('[SEQ-14] lasts until its time is over, and the step after it counts from then', async () => {
    const { id } = await person(waitFor(VIP, 3), email({ delay: days(2) }));
    const planned = await liveTouch(world, id);
    expect(planned).toMatchObject({ channel: 'wait', mode: 'automatic', sender_id: null, state: 'planned' });
    expect(planned.not_after.getTime() - planned.not_before.getTime()).toBe(3 * DAY);
    expect(planned.wake_at).toEqual(planned.not_before);
    await deliverNow(world);
    // Looked at, and put back to its end without a word.
    expect((await liveTouch(world, id)).wake_at).toEqual(planned.not_after);
    const events = sql`SELECT type FROM events WHERE source_id = ${id}::uuid`;
    expect((await world.owner.call(events)).map((row) => row.type)).toEqual(['enrolled']);
    await workAt(world, 2 * DAY);
    expect(await way(world, id)).toEqual(['0 planned']);
    await workAt(world, 3 * DAY + 60_000);
    expect(await way(world, id)).toEqual(['0 skipped waited_out', '1 planned']);
    const next = await liveTouch(world, id);
    expect(next.not_before.getTime()).toBeGreaterThan(Date.now() + 5 * DAY - 1_000);
    expect(next.not_before.getTime()).toBeLessThanOrEqual(Date.now() + 5 * DAY + 60_000);
    expect(sent()).toBe(0);
    expect(await world.owner.call(sql`SELECT FROM gates WHERE org_id = ${world.org}::uuid`)).toEqual([]);
    await workAt(world, 6 * DAY);
    expect(sent()).toBe(1);
    expect(await status(id)).toBe('completed');
  });

  it('[SEQ-14] is over at once where its condition holds already', async () => {
    const { id, contact } = await person(waitFor(VIP, 3), email());
    await tag(world, contact, 'vip');
    await deliverNow(world);
    expect(await way(world, id)).toEqual(['0 skipped condition_met', '1 sent']);
  });

  it('[SEQ-14] is woken by a tag, a changed field, an event and a consent, and asks again whatever changed', async () => {
    const conditions: [object, (contact: Uuid) => Promise<unknown>][] = [
      [VIP, (contact) => tag(world, contact, 'vip')],
      [
        { field: 'company', op: 'is', value: 'Acme' },
        (contact) => updateContact(world.db, world.ctx, contact, { company: 'ACME' }),
      ],
      [{ event: 'deal.created' }, (contact) => happens(contact, 'deal.created')],
      [
        { consent: 'sms', status: 'granted' },
        (contact_id) =>
          grantConsent(world.db, world.ctx, { contact_id, channel: 'sms', source: 'form', evidence: 'f1' }),
      ],
    ];
    for (const [until, happen] of conditions) {
      const { id, contact } = await person(waitFor(until, 3), email());
      await deliverNow(world);
      const { not_after } = await liveTouch(world, id);
      await updateContact(world.db, world.ctx, contact, { title: 'Head' });
      expect((await liveTouch(world, id)).wake_at.getTime()).toBeLessThanOrEqual(Date.now() + 1_000);
      await deliverNow(world);
      expect((await liveTouch(world, id)).wake_at).toEqual(not_after);
      await happen(contact);
      await deliverNow(world);
      expect(await way(world, id)).toEqual(['0 skipped condition_met', '1 sent']);
    }
  });

  it('[SEQ-14] is woken by an address that is suppressed or let off the list, whoever does it', async () => {
    const addresses = { phone: '+12025550143', whatsapp: '+12025550144', telegram: '4711' } as const;
    for (const [kind, address] of Object.entries(addresses) as [keyof typeof addresses, string][]) {
      const { id, contact } = await person(waitFor({ suppressed: kind }, 3), email());
      await updateContact(world.db, world.ctx, contact, { [kind]: address });
      await deliverNow(world);
      expect(await way(world, id)).toEqual(['0 planned']);
      await addSuppression(world.db, world.ctx, { kind, address });
      await deliverNow(world);
      expect(await way(world, id), kind).toEqual(['0 skipped condition_met', '1 sent']);
      const waits = await world.sequence({ steps: [waitFor({ not: { suppressed: kind } }, 3), email()] });
      const [other] = await world.enroll(waits, [contact]);
      await deliverNow(world);
      expect(await way(world, other!)).toEqual(['0 planned']);
      await removeSuppression(world.db, world.ctx, { kind, address });
      await deliverNow(world);
      expect(await way(world, other!), kind).toEqual(['0 skipped condition_met', '1 sent']);
      await updateContact(world.db, world.ctx, contact, { [kind]: null });
    }
  });

  it('[SEQ-14] asks for the answers to a step by its key', async () => {
    const asks = (key: string) => ({ event: 'clicked', of: `step:${key}` });
    const { id, contact } = await person(
      email({ key: 'offer' }),
      email({ key: 'reminder' }),
      waitFor({ any: [{ not: { not: asks('offer') } }] }, 3, { when: { not: asks('reminder') } }),
      email(),
    );
    await deliverNow(world);
    const [offer, reminder] = await world.owner.call<{ id: Uuid }>(
      sql`SELECT id FROM touches WHERE source_id = ${id}::uuid AND state = 'sent' ORDER BY step_no`,
    );
    const clicked = async (touch_id: Uuid) => {
      await world.db.inOrg(world.org, (tx) =>
        recordEvents(tx, world.ctx, 'api', [
          { contact_id: contact, name: 'clicked', at: new Date(), touch_id },
        ]),
      );
      await deliverNow(world);
    };
    expect(await way(world, id)).toEqual(['0 sent', '1 sent', '2 planned']);
    await happens(contact, 'clicked');
    await deliverNow(world);
    expect(await way(world, id)).toEqual(['0 sent', '1 sent', '2 planned']);
    await clicked(offer!.id);
    expect(await way(world, id)).toEqual(['0 sent', '1 sent', '2 skipped condition_met', '3 sent']);
    expect(reminder).toBeDefined();
  });

  it('[SEQ-14] that has not begun is not looked at, whatever happens', async () => {
    const { id, contact } = await person(waitFor(VIP, 3, { delay: days(1) }), email());
    const { wake_at } = await liveTouch(world, id);
    await tag(world, contact, 'vip');
    expect((await liveTouch(world, id)).wake_at).toEqual(wake_at);
    await workAt(world, DAY + 1_000);
    expect(await way(world, id)).toEqual(['0 skipped condition_met', '1 sent']);
  });

  it('[SEQ-14] does not sleep over what happens while it is looked at', async () => {
    const { id, contact } = await person(waitFor(VIP, 3), email());
    const { id: touch } = await liveTouch(world, id);
    // What happens has woken it and is not committed: the look cannot see it, and waits for the row to put it back.
    const happening = await holder(
      world,
      "INSERT INTO contact_tags (org_id, tag, contact_id) VALUES ($1, 'vip', $2)",
      [world.org, contact],
    );
    await happening.query('SELECT wake_waits($1, ARRAY[$2]::uuid[])', [world.org, contact]);
    const working = deliverNow(world, { ...world.newEngine(), db: connection(world, 'looker') });
    await untilWaiting(world, 'looker');
    expect((await touchRow(world, touch)).state).toBe('planned');
    await happening.commit();
    await working;
    expect(await way(world, id)).toEqual(['0 skipped condition_met', '1 sent']);
  });

  it('[I1] is cancelled by a pause, begins again after it, and is ended by an unenrollment', async () => {
    const { id, contact } = await person(waitFor(VIP, 3), email());
    await deliverNow(world);
    const { receipt } = await act(world.db, world.versions, world.ctx, id, 'pause', {});
    expect(receipt).toMatchObject({ not_started: 1, in_flight_count: 0 });
    await tag(world, contact, 'vip');
    await workAt(world, 9 * DAY);
    expect(await way(world, id)).toEqual(['0 cancelled pause']);
    await act(world.db, world.versions, world.ctx, id, 'resume', {});
    const again = await liveTouch(world, id);
    expect(again).toMatchObject({ channel: 'wait', n: 2, state: 'planned' });
    expect(again.not_after.getTime()).toBeGreaterThan(Date.now() + 3 * DAY - 5_000);
    await endEnrollment(world.db, world.ctx, id, 'unenroll', {});
    await workAt(world, 9 * DAY);
    expect(await way(world, id)).toEqual(['0 cancelled pause', '0 cancelled unenroll']);
    expect(sent()).toBe(0);
  });

  it('[EXE-1] decided while its enrollment is being paused decides nothing, and is asked again', async () => {
    const { id, contact } = await person(
      branch([[VIP, 'yes']], { otherwise: 'no' }),
      email({ key: 'no', next: 'end' }),
      email({ key: 'yes' }),
    );
    await tag(world, contact, 'vip');
    const engine = world.newEngine({
      failpoint: async (name) => {
        // The flag alone, as a process that dies after its first transaction leaves it.
        if (name === 'after_look')
          await world.owner.call(
            sql`UPDATE enrollments SET status = 'paused', epoch = epoch + 1 WHERE id = ${id}::uuid`,
          );
      },
    });
    await deliverNow(world, engine);
    const [touch] = await way(world, id);
    expect(touch).toBe('0 cancelled source_ended');
    await act(world.db, world.versions, world.ctx, id, 'resume', {});
    await deliverNow(world);
    expect((await way(world, id)).slice(1)).toEqual(['0 skipped arm:1', '2 sent']);
  });

  it('[I1] waits while its sequence is held, and sees afterwards what happened meanwhile', async () => {
    const { id, contact, sequence } = await person(waitFor(VIP, 3), email());
    await deliverNow(world);
    await hold(world.db, world.ctx, { class: 'sequence', id: sequence, paused: true }, {});
    await tag(world, contact, 'vip');
    await deliverNow(world);
    expect(await liveTouch(world, id)).toMatchObject({
      state: 'planned',
      held_by: 'sequence',
      wake_at: null,
    });
    await tag(world, contact, 'other');
    expect(await liveTouch(world, id)).toMatchObject({ wake_at: null });
    await hold(world.db, world.ctx, { class: 'sequence', id: sequence, paused: false }, {});
    const epoch = sql`SELECT epoch FROM sequences WHERE id = ${sequence}::uuid`;
    const [row] = await world.owner.call(epoch);
    await world.db.call(
      sql`SELECT hold_release(${world.org}::uuid, 'sequence', ${sequence}, ${row!.epoch}::int, 100)`,
    );
    await deliverNow(world);
    expect(await way(world, id)).toEqual(['0 skipped condition_met', '1 sent']);
  });

  it('[I1] decides nothing while the organization is switched off', async () => {
    const { id, contact } = await person(waitFor(VIP, 3), email());
    await tag(world, contact, 'vip');
    await world.owner.call(
      sql`UPDATE organizations SET sending_paused = true WHERE org_id = ${world.org}::uuid`,
    );
    await deliverNow(world);
    expect(await way(world, id)).toEqual(['0 planned']);
  });

  it('[SEQ-8] is left by an advance', async () => {
    const { id } = await person(waitFor(VIP, 3), email({ delay: days(1) }));
    await act(world.db, world.versions, world.ctx, id, 'advance', {});
    expect(await way(world, id)).toEqual(['0 skipped advance', '1 planned']);
  });
});

async function happens(contact: Uuid, name: string, inDays = 0): Promise<void> {
  const at = new Date(Date.now() + inDays * DAY);
  await world.db.inOrg(world.org, (tx) =>
    recordEvents(tx, world.ctx, 'api', [{ contact_id: contact, name, at }]),
  );
}

const CROSSROADS = [
  branch(
    [
      [{ all: [VIP, { tag: 'big' }] }, 'both'],
      [VIP, 'vip'],
      [{ tag: 'left' }, 'end'],
    ],
    { otherwise: 'other' },
  ),
  email({ key: 'vip', next: 'bye' }),
  email({ key: 'both', next: 'bye' }),
  email({ key: 'other' }),
  email({ key: 'bye' }),
];

it('[SEQ-14] an event counts from the beginning of the enrollment on, or as far back as the condition says', async () => {
  const BOOKED = { event: 'booked' };
  const sequence = await world.sequence({
    steps: [
      waitFor(BOOKED, 1),
      waitFor({ ...BOOKED, within_days: 30 }, 1),
      branch([[BOOKED, 'end']]),
      waitFor(VIP, 1),
    ],
  });
  const [contact] = await world.contacts(1);
  await happens(contact!, 'booked', -9);
  const [id] = await world.enroll(sequence, [contact!]);
  await deliverNow(world);
  expect(await way(world, id!)).toEqual(['0 planned']);
  await workAt(world, DAY + 1_000);
  expect(await way(world, id!)).toEqual([
    '0 skipped waited_out',
    '1 skipped condition_met',
    '2 skipped arm:otherwise',
    '3 planned',
  ]);
  const again = await world.sequence({ steps: [waitFor(BOOKED, 1), email()] });
  const [second] = await world.enroll(again, [contact!]);
  await deliverNow(world);
  await happens(contact!, 'booked', 0);
  await deliverNow(world);
  expect(await way(world, second!)).toEqual(['0 skipped condition_met', '1 sent']);
  // The next time through it is another matter.
  await act(world.db, world.versions, world.ctx, second!, 'restart', {});
  await deliverNow(world);
  expect((await way(world, second!)).slice(2)).toEqual(['0 planned']);
});

describe('a branch', () => {
  it.each([
    [
      ['vip', 'big'],
      ['0 skipped arm:1', '2 sent', '4 sent'],
      'arm 1 was the first that held; it led to the step "both"',
    ],
    [
      ['vip'],
      ['0 skipped arm:2', '1 sent', '4 sent'],
      'arm 2 was the first that held; it led to the step "vip"',
    ],
    [['left'], ['0 skipped arm:3'], 'arm 3 was the first that held; it led to the end'],
    [
      [],
      ['0 skipped arm:otherwise', '3 sent', '4 sent'],
      'none of its arms held; it led to the step "other"',
    ],
  ])(
    '[SEQ-14] [EXE-14] takes the first arm that holds, and says so: tags %j',
    async (tags, expected, says) => {
      const { id, contact } = await person(...CROSSROADS);
      const { id: touch } = await liveTouch(world, id);
      if (tags.length > 0) await tag(world, contact, ...tags);
      await deliverNow(world);
      expect(await way(world, id)).toEqual(expected);
      expect(await status(id)).toBe('completed');
      const told = await explainTouch(world.db, world.org, touch);
      expect(told.state.says).toBe(says);
      expect(told.events.at(-1)).toMatchObject({ type: 'skipped', says });
      expect(told.planned.step.asks).toHaveProperty('branches');
      expect(told.decisions).toEqual([]);
    },
  );

  it('[SEQ-14] is decided once by two workers, and by the next one after a crash', async () => {
    const { id, contact } = await person(...CROSSROADS);
    await expect(
      deliverNow(
        world,
        world.newEngine({
          failpoint: (name: Failpoint) => {
            if (name === 'after_look') throw new Error('killed');
          },
        }),
      ),
    ).rejects.toThrow('killed');
    expect(await way(world, id)).toEqual(['0 planned']);
    // Two workers have looked, and what they saw differs.
    let both = 0;
    let go: () => void = () => undefined;
    const met = new Promise<void>((resolve) => {
      go = resolve;
    });
    const failpoint = async (name: Failpoint) => {
      if (name !== 'after_look' || both >= 2) return;
      both++;
      if (both === 1) await tag(world, contact, 'vip');
      else go();
      await met;
    };
    const first = deliverNow(world, world.newEngine({ failpoint }));
    await expect.poll(() => both).toBe(1);
    await Promise.all([first, deliverNow(world, world.newEngine({ failpoint }))]);
    const walked = await way(world, id);
    expect(walked).toHaveLength(3);
    expect(['0 skipped arm:2', '0 skipped arm:otherwise']).toContain(walked[0]);
    expect(walked[2]).toBe('4 sent');
    expect(sent()).toBe(2);
  });

  it('[SEQ-14] that sends somebody past steps of a channel they have left goes on with the next other one', async () => {
    const { id, contact } = await person(...CROSSROADS);
    await tag(world, contact, 'vip');
    // Known to the enrollment alone: its next touch has to be planned again, from where the arm led.
    await world.owner.call(sql`UPDATE enrollments SET skip_channels = '{sms}' WHERE id = ${id}::uuid`);
    await deliverNow(world);
    expect(await way(world, id)).toEqual(['0 skipped arm:2', '1 sent', '4 sent']);
  });
});

describe('a step with a condition', () => {
  it('[SEQ-14] [EXE-10] is passed over where it does not hold when it is due, and never ends its enrollment', async () => {
    const when = { not: VIP };
    const { id, contact } = await person(
      email(),
      email({ when, delay: days(1) }),
      email({ delay: days(1) }),
      email({ when }),
    );
    await deliverNow(world);
    await tag(world, contact, 'vip');
    await workAt(world, DAY + 1_000);
    expect(await way(world, id)).toEqual(['0 sent', '1 skipped condition_false', '2 planned']);
    // Its delay counts from when the one before was passed over.
    expect((await liveTouch(world, id)).not_before.getTime()).toBeGreaterThan(Date.now() + 2 * DAY - 1_000);
    await workAt(world, 3 * DAY);
    expect((await way(world, id)).slice(2)).toEqual(['2 sent', '3 skipped condition_false']);
    expect(await status(id)).toBe('completed');
    expect(sent()).toBe(2);
  });

  it('[SEQ-14] goes out where it holds, beside others of its batch for which it does not', async () => {
    const sequence = await world.sequence({ steps: [email({ when: VIP }), email({ key: 'plain' })] });
    const contacts = await world.contacts(6);
    const ids = await world.enroll(sequence, contacts);
    for (const contact of contacts.slice(0, 3)) await tag(world, contact, 'vip');
    await deliverNow(world);
    for (const [i, id] of ids.entries())
      expect(await way(world, id)).toEqual([i < 3 ? '0 sent' : '0 skipped condition_false', '1 sent']);
  });

  it('[EXE-12] costs nothing where no step of the batch has one', async () => {
    const plain = await person(email());
    const statements: string[] = [];
    const { db } = world;
    const counting = new Proxy(db, {
      get: (target, name) => {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          statements.push(String(name));
          return value.apply(target, args);
        };
      },
    });
    const seen: string[] = [];
    let before: string[] | null = null;
    const failpoint = (name: Failpoint) => {
      seen.push(name);
      if (name === 'before_gate') before ??= [...statements];
    };
    await deliverNow(world, { ...world.newEngine({ failpoint }), db: counting });
    expect(await way(world, plain.id)).toEqual(['0 sent']);
    expect(seen).not.toContain('after_look');
    // The lane and the settings, and nothing more before the gate.
    expect(before).toEqual(['callPrepared', 'call']);
  });
});

describe('a version without the wait', () => {
  it('[SEQ-1] takes whoever waits on to the step after it', async () => {
    const ids = [newId(), newId(), newId()];
    const steps = [
      waitFor(VIP, 3, { id: ids[0] }),
      email({ id: ids[1], delay: days(1) }),
      email({ id: ids[2] }),
    ];
    const { id, sequence } = await person(...steps);
    await deliverNow(world);
    await publishVersion(world.db, world.org, sequence, world.sender, { steps: steps.slice(1) });
    await moveEnrollments(world.db, world.versions, world.ctx, {
      sequence_id: sequence,
      enrollment_ids: [id],
    });
    expect(await way(world, id)).toEqual(['0 cancelled moved', '0 planned']);
    expect(await enrollmentRow(world, id)).toMatchObject({ step_id: ids[1], step_no: 0, status: 'active' });
    expect(await liveTouch(world, id)).toMatchObject({ channel: 'email', state: 'planned' });
  });

  it('[SEQ-1] with another condition keeps the time of the wait, and looks at it at once', async () => {
    const [first, second] = [newId(), newId()];
    const { id, sequence, contact } = await person(
      waitFor({ tag: 'old' }, 3, { id: first }),
      email({ id: second }),
    );
    await deliverNow(world);
    const before = await liveTouch(world, id);
    await tag(world, contact, 'vip');
    await deliverNow(world);
    const steps = [waitFor(VIP, 3, { id: first }), email({ id: second })];
    await publishVersion(world.db, world.org, sequence, world.sender, { steps });
    await moveEnrollments(world.db, world.versions, world.ctx, {
      sequence_id: sequence,
      enrollment_ids: [id],
    });
    const after = await liveTouch(world, id);
    expect([after.not_before, after.not_after]).toEqual([before.not_before, before.not_after]);
    await deliverNow(world);
    expect((await way(world, id)).slice(1)).toEqual(['0 skipped condition_met', '1 sent']);
  });
});
