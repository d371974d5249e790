/** Free text over WhatsApp to whom it may not go: told before anybody tries, in the words of what would refuse it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { DUE, type DueWorld, dueWorld } from '../support/due.ts';

let world: DueWorld;
const senders: Partial<Record<string, Uuid>> = {};
beforeAll(async () => {
  world = await dueWorld();
  for (const channel of ['whatsapp', 'whatsapp_lite']) {
    const id = newId();
    senders[channel] = id;
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`
        INSERT INTO senders (org_id, id, channel, provider, name, from_address)
        VALUES (${world.org.id}, ${id}, ${channel}, 'test', ${channel}, '+14155550100')`),
    );
  }
});
afterAll(() => world?.close());

const NOW = { amount: 0, unit: 'minutes' };
const TEMPLATE = { name: 'hello', language: 'en', body: ['{{ contact.first_name }}'], buttons: [] };
const CASES: [string, number | null, string | null][] = [
  ['whatsapp_lite', null, 'never_wrote'],
  ['whatsapp_lite', 900, null],
  ['whatsapp', null, 'reply_window_closed'],
  ['whatsapp', 25, 'reply_window_closed'],
  ['whatsapp', 1, null],
];

let number = 2_000;
/** Who wrote so many hours ago; null: never. */
async function contact(hours: number | null): Promise<Uuid> {
  const id = await world.contact();
  const { org, db } = world;
  const whatsapp = `+1415555${++number}`;
  await db.inOrg(org.id, (tx) =>
    tx.run(sql`UPDATE contacts SET whatsapp = ${whatsapp} WHERE org_id = ${org.id} AND id = ${id}`),
  );
  if (hours !== null)
    await db.inOrg(org.id, (tx) =>
      tx.run(sql`
        INSERT INTO contact_events (org_id, id, contact_id, name, at, source, properties, told_by)
        VALUES (${org.id}, ${newId()}, ${id}, 'message_received', now() - ${hours}::float8 * interval '1 hour', 'test',
          '{"channel": "whatsapp"}', 'test')`),
    );
  return id;
}

async function sequence(channel: string, steps: readonly object[]): Promise<Uuid> {
  const { org, db } = world;
  const id = await world.sequence(steps, { sender_ids: [senders[channel]] });
  await db.inOrg(org.id, (tx) =>
    tx.run(sql`
      UPDATE sequences s SET draft = v.definition FROM sequence_versions v
       WHERE s.org_id = ${org.id} AND s.id = ${id} AND v.org_id = s.org_id AND v.id = s.published_version_id`),
  );
  return id;
}

describe('free text over WhatsApp', () => {
  test.each(CASES)(
    '[TEN-4] the preview of %s to who wrote %s hours ago says %s',
    async (channel, hours, code) => {
      const text = { channel, delay: NOW, body_text: 'Hi' };
      const id = await sequence(channel, [text, { ...text, delay: { amount: 3, unit: 'days' } }]);
      const contact_id = await contact(hours);
      const { body } = await world.post(`/api/outreach/sequences/${id}/preview`, { contact_id });
      expect(body.steps[0].problem?.code ?? null).toBe(code);
      expect(body.steps[0].message).not.toBeNull();
      // Until then they may write.
      expect(body.steps[1]).toMatchObject({ at: expect.any(String), problem: null });
    },
  );

  test.each(CASES)(
    '[DUE-1] a due step of %s to who wrote %s hours ago is blocked by %s',
    async (channel, hours, code) => {
      const id = await sequence(channel, [{ channel, mode: 'human', delay: NOW, body_text: 'Hi' }]);
      const { touch } = await world.enroll(id, await contact(hours));
      expect((await world.call('GET', `${DUE}/${touch}`)).body.blocked).toBe(code);
      const { items } = (await world.call('GET', `${DUE}?sequence_id=${id}`)).body;
      expect(items.map((item: { blocked: string | null }) => item.blocked)).toEqual([code]);
      if (code === null) return;
      const tried = await world.post(`${DUE}/${touch}/execute`);
      expect(tried).toMatchObject({ status: 409, body: { code: 'step_refused', reason: code } });
    },
  );

  test('[DUE-1] a template goes to who never wrote, and a pause is told before the window', async () => {
    const template = { channel: 'whatsapp', mode: 'human', delay: NOW, template: TEMPLATE };
    const first = await world.enroll(await sequence('whatsapp', [template]), await contact(null));
    expect((await world.call('GET', `${DUE}/${first.touch}`)).body.blocked).toBeNull();
    const text = { channel: 'whatsapp', mode: 'human', delay: NOW, body_text: 'Hi' };
    const second = await world.enroll(await sequence('whatsapp', [text]), await contact(null));
    await world.call('PATCH', `/api/outreach/enrollments/${second.enrollment}`, {
      body: { action: 'pause' },
    });
    expect((await world.call('GET', `${DUE}/${second.touch}`)).body.blocked).toBe('source_ended');
  });
});
