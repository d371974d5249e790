/** Arms of a step over HTTP: refused with everything that is wrong, shown with their numbers, decided by people. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { CALL, DUE, type DueWorld, dueWorld, EMAIL, FOLLOW_UP } from '../support/due.ts';
import { AB, armFor } from '../support/variants.ts';

const PATH = '/api/outreach/sequences';
const NOW = { amount: 0, unit: 'minutes' };

let world: DueWorld;
beforeAll(async () => {
  world = await dueWorld();
});
afterAll(() => world?.close());
beforeEach(() => {
  world.provider.calls.length = 0;
});

async function draft(steps: unknown[]) {
  const body = { name: 'Arms', sender_ids: [world.sender], steps };
  const reply = await world.call('POST', PATH, { body });
  expect(reply.status, reply.text).toBe(201);
  return reply.body as { id: Uuid; steps: { id: Uuid }[] };
}

async function published(steps: unknown[]) {
  const made = await draft(steps);
  const reply = await world.call('POST', `${PATH}/${made.id}/publish`);
  expect(reply.status, reply.text).toBe(200);
  return made;
}

const email = (more: Record<string, unknown>) => ({ channel: 'email', delay: NOW, ...more });

describe('[SEQ-14] publishing', () => {
  test('names everything that is wrong at once, with step, variant and field', async () => {
    const made = await draft([
      email({
        variants: [
          { key: 'a', body_text: 'No subject' },
          { key: 'a', subject: 'S', body_html: '<p>{{ contact.nickname }}' },
        ],
      }),
      email({
        body_text: 'Own {{ contact.nickname }}',
        variants: [
          { key: 'x', subject: 'X', weight: 0 },
          { key: 'y', subject: 'Y', weight: -3 },
        ],
      }),
      email({ body_text: 'Hi', variants: [{ key: 'only' }] }),
      email({ body_text: 'Hi', winner: { by: 'replied', minimum_sample: 10 } }),
      {
        ...CALL,
        variants: [
          { key: 'a', subject: 'Calls have none' },
          { key: 'b', body_text: ' ' },
        ],
      },
      email({ subject: 'S', body_text: 'Hi', variants: [] }),
    ]);
    const reply = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect([reply.status, reply.body.code]).toEqual([422, 'sequence_invalid']);
    const errors = reply.body.errors as { field: string; code: string; message: string }[];
    expect(errors.map(({ field, code }) => `${field} ${code}`).sort()).toEqual(
      [
        'steps[0].variants[0].subject required',
        'steps[0].variants[1].body_html unknown_variable',
        'steps[0].variants[1].key duplicate_key',
        // the step's own text, which both arms take, once
        'steps[1].body_text unknown_variable',
        'steps[1].variants[0].weight bad_weight',
        'steps[1].variants[1].weight bad_weight',
        'steps[2].variants too_few',
        'steps[3].winner no_variants',
        'steps[4].variants[0].subject not_for_channel',
        'steps[4].variants[1].body_text required',
        'steps[5].variants too_few',
      ].sort(),
    );
    expect(errors.find(({ field }) => field === 'steps[4].variants[1].body_text')!.message).toMatch(
      /^Variant b: /,
    );
  });

  test('[SEQ-5] an arm that never ends is found, what arms take from their step once', async () => {
    const endless =
      '{% for a in (1..900) %}{% for b in (1..900) %}{% for c in (1..900) %}{% endfor %}{% endfor %}{% endfor %}';
    const made = await draft([
      email({
        body_text: `Hi ${endless}`,
        variants: [
          { key: 'a', subject: 'A' },
          { key: 'b', subject: `B ${endless}` },
        ],
      }),
    ]);
    const reply = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect(reply.body.errors.map(({ field, code }: Record<string, string>) => `${field} ${code}`)).toEqual([
      'steps[0].body_text template_timeout',
      'steps[0].variants[1].subject template_timeout',
    ]);
  });

  test('each arm is rendered by itself: sizes are of a message, and a loop is told of the arm that has it', async () => {
    const row = 'x'.repeat(50);
    const large = `{% for a in (1..3000) %}${row}{% endfor %}`;
    const endless = '{% for a in (1..9999) %}{% for b in (1..9999) %}{{ a }}{% endfor %}{% endfor %}';
    await published([
      email({
        subject: 'S',
        variants: [
          { key: 'a', body_html: large },
          { key: 'b', body_html: large },
        ],
      }),
    ]);
    const made = await draft([
      email({ subject: 'S', body_text: large, variants: [{ key: 'a' }, { key: 'b', body_text: endless }] }),
      email({
        subject: `S ${endless}`,
        variants: [
          { key: 'a', body_text: 'A' },
          { key: 'b', body_text: 'B' },
        ],
      }),
    ]);
    const reply = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect(reply.body.errors.map(({ field }: { field: string }) => field)).toEqual([
      'steps[0].variants[1].body_text',
      'steps[1].subject',
    ]);
  });

  test('a draft with more arms than ten, or a key that is none, is not taken', async () => {
    for (const variants of [
      Array.from({ length: 11 }, (_, i) => ({ key: `v${i}` })),
      [{ key: 'a b' }, { key: '' }],
    ]) {
      const body = { name: 'Arms', steps: [email({ subject: 'S', body_text: 'Hi', variants })] };
      expect((await world.call('POST', PATH, { body })).status).toBe(400);
    }
  });

  test('the draft keeps its arms as they were given', async () => {
    const made = await published([email({ variants: AB, winner: { by: 'clicked', minimum_sample: 5 } })]);
    const { body } = await world.call('GET', `${PATH}/${made.id}`);
    expect(body.steps[0]).toMatchObject({
      variants: AB.map((arm) => ({ ...arm, weight: 1 })),
      winner: { by: 'clicked', minimum_sample: 5, confidence: 0.95, margin: 0 },
    });
  });
});

describe('[SEQ-14] looking and deciding', () => {
  test('the preview says which arm, and shows another on request', async () => {
    const made = await published([email({ variants: AB }), FOLLOW_UP]);
    const contact = await world.contact();
    const own = armFor(made.steps[0]!.id, contact);
    const look = (more = {}) =>
      world.call('POST', `${PATH}/${made.id}/preview`, { body: { contact_id: contact, ...more } });
    expect((await look()).body.steps).toMatchObject([{ variant: own }, { variant: null }]);
    const other = own === 'a' ? 'b' : 'a';
    expect((await look({ variant: other })).body.steps[0]).toMatchObject({
      variant: other,
      subject: expect.stringMatching(new RegExp(`^Arm ${other}`)),
    });
    const wrong = await look({ variant: 'zzz' });
    expect([wrong.status, wrong.body.errors[0].code]).toEqual([400, 'unknown_variant']);
  });

  test('a winner is declared and undone, with its audit record, and shown in the numbers', async () => {
    const made = await published([email({ variants: AB }), FOLLOW_UP]);
    const step = made.steps[0]!.id;
    const say = (body: unknown, at = step, key?: string) =>
      world.call('POST', `${PATH}/${made.id}/steps/${at}/winner`, { body, ...(key ? { key } : {}) });
    const stats = async () => (await world.call('GET', `${PATH}/${made.id}/stats`)).body.steps;
    expect((await stats()).find((row: { step_id: Uuid }) => row.step_id === step)).toMatchObject({
      total: 0,
      variants: {
        ...{ by: 'replied', winner: null, leader: null, open: { code: 'no_rule' }, decisions: [] },
        arms: [{ key: 'a', weight: 1, contacts: 0, rate: null, touches: { total: 0 } }, { key: 'b' }],
      },
    });
    const declared = await say({ variant: 'b', reason: 'shorter' });
    expect(declared).toMatchObject({
      status: 200,
      body: {
        step_id: step,
        variant: 'b',
        changed: true,
        decision: { n: 1, by_rule: false, reason: 'shorter' },
      },
    });
    expect((await say({ variant: 'b' })).body).toMatchObject({ changed: false, decision: { n: 1 } });
    const contact = await world.contact();
    await world.enroll(made.id, contact);
    await world.work();
    expect((world.provider.calls[0]!.message as EmailMessage).subject).toMatch(/^Arm b/);
    expect((await stats()).find((row: { step_id: Uuid }) => row.step_id === step).variants).toMatchObject({
      winner: 'b',
      open: null,
      arms: [{ contacts: 0 }, { contacts: 1, touches: { sent: 1 } }],
    });
    expect((await say({ variant: null, rule_decides: false })).body).toMatchObject({
      variant: null,
      changed: true,
      decision: { n: 2 },
    });
    const { body: audit } = await world.call('GET', `/api/audit?subject_type=sequence&subject_id=${made.id}`);
    const words = audit.items.filter((item: { action: string }) => item.action.startsWith('sequence.winner'));
    expect(words).toMatchObject([
      { action: 'sequence.winner_undone', data: { step_id: step, variant: null } },
      {
        action: 'sequence.winner',
        actor_type: 'api_key',
        data: { step_id: step, variant: 'b', reason: 'shorter' },
      },
    ]);
    expect((await say({ variant: 'z' })).status).toBe(400);
    expect((await say({ variant: 'a', rule_decides: true })).status).toBe(400);
    expect((await say({ variant: 'a' }, made.steps[1]!.id)).status).toBe(400);
    expect((await say({ variant: 'a' }, newId())).status).toBe(404);
    expect((await say({ variant: 'a' }, step, world.other.key)).status).toBe(404);
    const viewer = await world.newKey(world.org, 'viewer', ['outreach:read']);
    expect((await say({ variant: 'a' }, step, viewer.key)).status).toBe(403);
    const early = await draft([email({ variants: AB })]);
    const unpublished = await world.call('POST', `${PATH}/${early.id}/steps/${early.steps[0]!.id}/winner`, {
      body: { variant: 'a' },
    });
    expect([unpublished.status, unpublished.body.code]).toEqual([409, 'sequence_not_published']);
  });
});

describe('[SEQ-14] [DUE-2] steps of people', () => {
  test('the draft is that of the arm, which is kept when it goes', async () => {
    const made = await world.sequence([{ ...EMAIL, variants: AB }, FOLLOW_UP]);
    const contact = await world.contact();
    const { touch } = await world.enroll(made, contact);
    const shown = await world.call('GET', `${DUE}/${touch}`);
    const own = armFor(shown.body.step.id, contact);
    expect(shown.body.draft).toMatchObject({
      source: 'template',
      subject: expect.stringMatching(new RegExp(`^Arm ${own}`)),
    });
    expect((await world.post(`${DUE}/${touch}/execute`)).status).toBe(200);
    const explained = await world.call('GET', `/api/touches/${touch}`);
    expect(explained.body.planned.step.variant).toBe(own);
  });

  test('a call has arms too', async () => {
    const made = await world.sequence([
      {
        ...CALL,
        variants: [
          { key: 'a', body_text: 'Ask a' },
          { key: 'b', body_text: 'Ask b' },
        ],
      },
    ]);
    const contact = await world.contact();
    const { touch } = await world.enroll(made, contact);
    const shown = await world.call('GET', `${DUE}/${touch}`);
    const own = armFor(shown.body.step.id, contact);
    expect(shown.body.copy_text).toBe(`Ask ${own}`);
    expect((await world.post(`${DUE}/${touch}/complete`, { outcome: 'connected' })).status).toBe(200);
    const [row] = await world.db.inOrg(world.org.id, (tx) =>
      tx.rows<{ variant: string }>(
        sql`SELECT variant FROM touch_variants WHERE org_id = ${world.org.id} AND touch_id = ${touch}`,
      ),
    );
    expect(row).toEqual({ variant: own });
  });
});
