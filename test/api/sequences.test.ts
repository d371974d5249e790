import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { smtp } from '../../src/channels/smtp/adapter.ts';
import type { Tx } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { DEFAULT_LIMITS, type Engine } from '../../src/dispatch/engine.ts';
import { newId } from '../../src/kernel/ids.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { releaseHeld } from '../../src/plan/stop.ts';
import { Worker } from '../../src/worker/worker.ts';
import { RecordingProvider } from '../support/engine.ts';
import { until } from '../support/until.ts';
import { type Reply, setup, type World } from './world.ts';

const PATH = '/api/outreach/sequences';
const UNSUBSCRIBE = 'https://mail.example.com/u/preview';

let world: World;
let provider: RecordingProvider;
let worker: Worker;
beforeAll(async () => {
  world = await setup({ adapters: [smtp], config: { public_url: 'https://mail.example.com' } });
  provider = new RecordingProvider();
  const engine: Engine = {
    db: world.db,
    worker: 'test:1',
    versions: world.deps.versions,
    connect: () => provider,
    unsubscribeUrl: () => UNSUBSCRIBE,
    limits: DEFAULT_LIMITS,
    log: { info() {}, warn() {}, error() {} },
  };
  worker = new Worker(engine, { lanes: 2, poll_ms: 50 });
  worker.start();
});
afterAll(async () => {
  await worker?.stop();
  await world?.close();
});

async function newSender(more: Record<string, unknown> = {}): Promise<string> {
  const reply = await world.call('POST', '/api/senders', {
    body: {
      channel: 'email',
      provider: 'smtp',
      name: 'Ann',
      from: { name: 'Ann', address: 'ann@example.com' },
      config: { host: '127.0.0.1' },
      ...more,
    },
  });
  expect(reply.status, reply.text).toBe(201);
  return reply.body.id;
}

const first = { channel: 'email', subject: 'Hello {{ contact.first_name }}', body_text: 'One' };
const second = { channel: 'email', delay: { amount: 2, unit: 'days' }, body_text: 'Two' };

async function newSequence(more: Record<string, unknown> = {}) {
  const reply = await world.call('POST', PATH, { body: { name: 'Spring', steps: [first, second], ...more } });
  expect(reply.status, reply.text).toBe(201);
  return reply.body;
}

async function published(more: Record<string, unknown> = {}) {
  const made = await newSequence({ sender_ids: [await newSender()], ...more });
  const reply = await world.call('POST', `${PATH}/${made.id}/publish`);
  expect(reply.status, reply.text).toBe(200);
  return reply.body.sequence;
}

async function newContacts(count: number, more: { last_name?: string } = {}): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId());
  await world.db.inOrg(world.org.id, (tx) =>
    tx.run(sql`
      INSERT INTO contacts (org_id, id, email, first_name, last_name)
      SELECT ${world.org.id}, u.id, 'p' || replace(u.id::text, '-', '') || '@example.com', 'Person ' || u.n, ${more.last_name ?? null}
        FROM unnest(${ids}::uuid[]) WITH ORDINALITY u(id, n)`),
  );
  return ids;
}

async function enroll(sequence: string, contacts: string[]): Promise<string[]> {
  const { db, deps, org } = world;
  const results = await enrollContacts(db, deps.versions, org.caller, {
    sequence_id: sequence,
    contact_ids: contacts,
  });
  return results.map((result) => result.enrollment_id!);
}

const callsOf = (contacts: string[]) => {
  const addresses = new Set(contacts.map((id) => `p${id.replaceAll('-', '')}@example.com`));
  return provider.calls.filter((call) => addresses.has(call.message.to.address));
};

const problems = (reply: Reply): string[] =>
  (reply.body.errors as { field: string; code: string }[]).map(({ field, code }) => `${field} ${code}`);

describe('drafts', () => {
  test('[SEQ-1] [SEQ-4] a draft is made flat, keeps its shape, and re-enrolls nobody unless told', async () => {
    const made = await newSequence({ window: { days: ['mon'], from: '09:00', to: '17:00' } });
    expect(made).toMatchObject({
      name: 'Spring',
      status: 'draft',
      published_version: null,
      draft_differs: true,
      sender_ids: [],
      time_zone: null,
      reenroll: { policy: 'never' },
      enrollments: { total: 0, active: 0, unsubscribed: 0 },
    });
    expect(made.steps).toMatchObject([
      { ...first, mode: 'automatic', delay: { amount: 0, unit: 'minutes' } },
      { ...second },
    ]);
    expect(new Set(made.steps.map((step: { id: string }) => step.id)).size).toBe(2);
    expect((await world.call('GET', `${PATH}/${made.id}`)).body).toEqual(made);

    const [one, two] = made.steps;
    const patched = await world.call('PATCH', `${PATH}/${made.id}`, {
      body: { name: 'Summer', window: null, steps: [{ ...two, body_text: 'Zwei' }, one, second] },
    });
    expect(patched.body).toMatchObject({ name: 'Summer', window: null, reenroll: { policy: 'never' } });
    expect(patched.body.steps.map((step: { id: string }) => step.id).slice(0, 2)).toEqual([two.id, one.id]);
    expect(patched.body.steps).toHaveLength(3);
  });

  test('[SEQ-1] a step id of another sequence is refused, a fresh one is kept', async () => {
    const [one, fresh] = [await newSequence(), crypto.randomUUID()];
    const kept = await newSequence({ steps: [{ ...first, id: fresh.toUpperCase() }] });
    expect(kept.steps[0].id).toBe(fresh);
    const copied = { body: { name: 'Copy', steps: [first, { ...second, id: one.steps[1].id }] } };
    const refused = await world.call('POST', PATH, copied);
    expect([refused.status, ...problems(refused)]).toEqual([400, 'steps[1].id foreign_step']);
    const patched = await world.call('PATCH', `${PATH}/${kept.id}`, { body: { steps: copied.body.steps } });
    expect(problems(patched)).toEqual(['steps[1].id foreign_step']);
  });

  test('[CON-4] says what an unsubscribe does to its enrollments: it ends them, unless told to skip steps', async () => {
    const made = await newSequence();
    expect(made.on_unsubscribe).toBe('end');
    const change = (on_unsubscribe: string) =>
      world.call('PATCH', `${PATH}/${made.id}`, { body: { on_unsubscribe } });
    expect((await change('skip_steps')).body.on_unsubscribe).toBe('skip_steps');
    expect((await change('skip_all')).status).toBe(400);
    expect((await world.call('GET', `${PATH}/${made.id}`)).body.on_unsubscribe).toBe('skip_steps');
  });

  test('[SEQ-1] lists page by cursor and filter by status', async () => {
    const names = ['a', 'b', 'c'].map((letter) => `Listed ${letter}`);
    for (const name of names) await newSequence({ name });
    const one = await world.call('GET', `${PATH}?limit=2&status=draft`);
    const two = await world.call('GET', `${PATH}?limit=2&status=draft&cursor=${one.body.next_cursor}`);
    const seen = [...one.body.items, ...two.body.items].map((item: { name: string }) => item.name);
    expect(seen.slice(0, 3)).toEqual(names.toReversed());
    expect(one.body.items[0]).toMatchObject({ step_count: 2, published_version: null, draft_differs: true });
    expect((await world.call('GET', `${PATH}?status=archived`)).body.items).toEqual([]);
  });
});

const ENDLESS =
  '{% for a in (1..900) %}{% for b in (1..900) %}{% for c in (1..900) %}{% endfor %}{% endfor %}{% endfor %}';
// Few rounds and much text: a busy machine must not meet the limit of time first.
const ENORMOUS = `{% for a in (1..900) %}{{ contact.company }} ${'and more of it '.repeat(34)}{% endfor %}`;
const SELF =
  '{% assign x = "aa" %}{% for a in (1..60) %}{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}{{ x }}';

describe('publishing', () => {
  test('[SEQ-5] a template that never ends or prints megabytes is found before anybody is enrolled', async () => {
    const hi = 'Hi {% for a in (1..20) %}{{ contact.first_name }}{% endfor %}';
    const made = await newSequence({
      sender_ids: [await newSender()],
      steps: [
        { ...first, subject: `Hi ${ENDLESS}` },
        { ...second, body_text: hi, body_html: `<p>${ENORMOUS}</p>` },
        // Only for somebody without a company: the sample has one.
        {
          ...second,
          body_text: `{% if contact.company %}{% else %}${ENDLESS}{% endif %}{{ contact.nickname }}`,
        },
        { ...second, body_text: `{% unless contact.company %}${ENDLESS}{% endunless %}One` },
        { ...second, body_text: SELF },
        { channel: 'task', body_text: `Call. ${ENDLESS}` },
        { ...second, body_text: hi },
      ],
    });
    const refused = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect([refused.status, refused.body.code]).toEqual([422, 'sequence_invalid']);
    expect(problems(refused)).toEqual([
      'steps[2].body_text unknown_variable',
      'steps[0].subject template_timeout',
      'steps[1].body_html output_too_large',
      'steps[3].body_text template_timeout',
      'steps[4].body_text output_too_large',
      'steps[5].body_text template_timeout',
    ]);
    const told = refused.body.errors.map((e: { message: string }) => e.message).join();
    expect(told).toContain('250 ms');
    expect(told).toContain('256 KB');
    // The limit is a message's, not a part's.
    const half = ENORMOUS.replace('900', '300');
    const two = await newSequence({
      sender_ids: [await newSender()],
      steps: [{ ...first, body_text: half, body_html: half }],
    });
    expect(problems(await world.call('POST', `${PATH}/${two.id}/publish`))).toEqual([
      'steps[0].body_html output_too_large',
    ]);
  });

  test('[SEQ-1] [SEQ-5] every problem is reported at once, and nothing is published', async () => {
    const gone = await newSender();
    await world.call('DELETE', `/api/senders/${gone}`);
    const same = crypto.randomUUID();
    const made = await newSequence({
      sender_ids: [gone, crypto.randomUUID()],
      window: { days: ['mon'], from: '09:00', to: '09:00' },
      steps: [
        {
          ...first,
          id: same,
          subject: ' ',
          body_text: 'Hi {{ contact.nickname }}\n{{ contact.attributes.plan }}',
        },
        { ...second, id: same, body_text: '', delay: { amount: 500_000, unit: 'business_days' } },
        { channel: 'whatsapp', body_text: 'Hi' },
        { ...second, mode: 'human', body_html: 'One\n{% if contact.title %}never closed' },
        { ...second, subject: 'Two\nlines' },
      ],
    });
    // Told when it is given; one that was stored may have been taken out of the lists since.
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`
        UPDATE sequences SET draft = draft || '{"time_zone": "Mars/Olympus"}' WHERE org_id = ${world.org.id} AND id = ${made.id}`),
    );
    expect((await world.call('GET', `${PATH}/${made.id}`)).body.time_zone).toBe('Mars/Olympus');
    const refused = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect([refused.status, refused.body.code]).toEqual([422, 'sequence_invalid']);
    expect(problems(refused).sort()).toEqual(
      [
        'sender_ids[0] sender_archived',
        'sender_ids[1] unknown_sender',
        'steps[0].body_text unknown_attribute',
        'steps[0].body_text unknown_variable',
        'steps[0].subject required',
        'steps[1].body_text required',
        'steps[1].delay delay_too_long',
        'steps[1].id duplicate_id',
        'steps[2].template no_template',
        'steps[3].body_html syntax',
        'steps[4].subject line_break',
        'time_zone bad_zone',
        'window.to empty_window',
      ].sort(),
    );
    const byField = (field: string) => refused.body.errors.find((e: { field: string }) => e.field === field);
    expect(byField('steps[0].body_text').message).toMatch(/^Line 1: .*contact\.nickname/);
    expect(byField('steps[2].template').message).toContain('approved template');
    const empty = await newSequence({ steps: [] });
    const bare = await world.call('POST', `${PATH}/${empty.id}/publish`);
    expect(problems(bare).sort()).toEqual(['sender_ids no_sender', 'steps no_steps']);
    for (const id of [made.id, empty.id]) {
      const read = await world.call('GET', `${PATH}/${id}`);
      expect(read.body).toMatchObject({ status: 'draft', published_version: null });
    }
  });

  test('[SEQ-16] a zone that is none is told where it is given, beside other faults', async () => {
    const made = await newSequence({ steps: [first] });
    const window = { days: ['mon'], from: '9', to: '17:00', time_zone: 'Mars/Phobos' };
    const body = { name: 'Test', window, time_zone: 'Mars/Deimos', steps: [{ ...first, delay: 'soon' }] };
    for (const [method, path] of [
      ['POST', PATH],
      ['PATCH', `${PATH}/${made.id}`],
    ] as const) {
      const refused = await world.call(method, path, { body });
      expect(refused.status).toBe(400);
      const fields = refused.body.errors.map(({ field }: { field: string }) => field).sort();
      expect(fields).toEqual(['steps[0].delay', 'time_zone', 'window.from', 'window.time_zone']);
    }
  });

  test('[SEQ-5] an attribute passes once the organization knows it', async () => {
    const steps = [{ ...first, body_text: 'Your plan: {{ contact.attributes.tier }}' }];
    const made = await newSequence({ sender_ids: [await newSender()], steps });
    const refused = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect(problems(refused)).toEqual(['steps[0].body_text unknown_attribute']);
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(
        sql`INSERT INTO attribute_definitions (org_id, key, type, label) VALUES (${world.org.id}, 'tier', 'text', 'Tier')`,
      ),
    );
    expect((await world.call('POST', `${PATH}/${made.id}/publish`)).status).toBe(200);
  });

  test('[SEQ-16] windows that never meet are refused, whichever zone each is in', async () => {
    const window = { days: ['mon', 'tue'], from: '09:00', to: '12:00', time_zone: 'Europe/Berlin' };
    const evenings = await newSender({ window: { ...window, from: '18:00', to: '22:00' } });
    const elsewhere = await newSender({
      time_zone: 'America/New_York',
      window: { days: ['mon'], from: '05:00', to: '05:30' },
    });
    const made = await newSequence({ sender_ids: [elsewhere, evenings], window });
    const refused = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect(problems(refused)).toEqual(['sender_ids[1] never_open']);
    await world.call('PATCH', `${PATH}/${made.id}`, { body: { sender_ids: [elsewhere] } });
    expect((await world.call('POST', `${PATH}/${made.id}/publish`)).status).toBe(200);
  });

  test('[SEQ-1] a version is immutable: editing changes the draft, publishing makes the next one', async () => {
    const made = await published();
    expect(made).toMatchObject({ status: 'active', published_version: 1, draft_differs: false });
    const again = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect(again.body).toMatchObject({ changed: false, version: { number: 1 } });
    const [old] = await enroll(made.id, await newContacts(1));

    const body = { steps: [{ ...made.steps[0], body_text: 'Uno' }] };
    const edited = await world.call('PATCH', `${PATH}/${made.id}`, { body });
    expect(edited.body).toMatchObject({ status: 'active', published_version: 1, draft_differs: true });
    const next = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect(next.body).toMatchObject({
      changed: true,
      version: { number: 2 },
      sequence: { draft_differs: false },
    });
    expect(next.body.sequence.steps[0].id).toBe(made.steps[0].id);
    const [fresh] = await enroll(made.id, await newContacts(1));
    const rows = await world.db.inOrg(world.org.id, (tx) =>
      tx.rows<{ id: string; number: number; body: string }>(sql`
        SELECT e.id, v.number, v.definition->'steps'->0->>'body_text' AS body FROM enrollments e
          JOIN sequence_versions v ON v.org_id = e.org_id AND v.id = e.version_id WHERE e.id = ANY (${[old, fresh]}) ORDER BY number`),
    );
    expect(rows).toEqual([
      { id: old, number: 1, body: 'One' },
      { id: fresh, number: 2, body: 'Uno' },
    ]);
  });

  test('[SEQ-1] the same draft published ten times at once is one version', async () => {
    const made = await newSequence({ sender_ids: [await newSender()] });
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => world.call('POST', `${PATH}/${made.id}/publish`)),
    );
    expect(new Set(replies.map((reply) => `${reply.status} ${reply.body.version?.number}`))).toEqual(
      new Set(['200 1']),
    );
    expect(replies.filter((reply) => reply.body.changed)).toHaveLength(1);
  });

  test('[SEQ-1] a sender archived while the sequence is published is noticed', async () => {
    const sender = await newSender();
    const made = await newSequence({ sender_ids: [sender] });
    let publishing: Promise<Reply> | undefined;
    await world.db.inOrg(world.org.id, async (tx) => {
      await tx.run(sql`SELECT FROM senders WHERE org_id = ${world.org.id} AND id = ${sender} FOR UPDATE`);
      publishing = world.call('POST', `${PATH}/${made.id}/publish`);
      await until(() => waits(tx), 'publishing waits for the sender');
      await tx.run(
        sql`UPDATE senders SET status = 'archived' WHERE org_id = ${world.org.id} AND id = ${sender}`,
      );
    });
    expect(problems(await publishing!)).toEqual(['sender_ids[0] sender_archived']);
  });
});

test('[SEQ-1] a draft edited while it is published is checked again', async () => {
  const made = await newSequence({ sender_ids: [await newSender()] });
  let publishing: Promise<Reply> | undefined;
  await world.db.inOrg(world.org.id, async (tx) => {
    await tx.run(sql`SELECT FROM sequences WHERE org_id = ${world.org.id} AND id = ${made.id} FOR UPDATE`);
    publishing = world.call('POST', `${PATH}/${made.id}/publish`);
    await until(() => waits(tx), 'publishing waits for the sequence');
    await tx.run(
      sql`UPDATE sequences SET draft = jsonb_set(draft, '{steps,0,body_text}', '""') WHERE org_id = ${world.org.id} AND id = ${made.id}`,
    );
  });
  expect(problems(await publishing!)).toEqual(['steps[0].body_text required']);
});

describe('stopping and putting away', () => {
  test('[EXE-15] [EXE-1] a paused sequence sends nothing, and resumed sends each message once', async () => {
    const made = await published();
    const paused = await world.call('POST', `${PATH}/${made.id}/pause?wait=5s`, { body: { reason: 'typo' } });
    expect(paused.body).toMatchObject({
      sequence: { status: 'paused', epoch: 1 },
      receipt: { subject_type: 'sequence', status: 'paused', in_flight: [], drained: true },
    });
    const contacts = await newContacts(20);
    await enroll(made.id, contacts);
    await until(async () => (await held(made.id)) === 20, 'all are held');
    expect(callsOf(contacts)).toHaveLength(0);
    const edited = await world.call('PATCH', `${PATH}/${made.id}`, {
      body: { steps: made.steps.slice(0, 1) },
    });
    expect(edited.status).toBe(200);
    const next = await world.call('POST', `${PATH}/${made.id}/publish`);
    expect(next.body).toMatchObject({ sequence: { status: 'paused' }, version: { number: 2 } });
    const resumed = await world.call('POST', `${PATH}/${made.id}/resume`);
    const { epoch } = resumed.body.receipt;
    expect(resumed.body).toMatchObject({ sequence: { status: 'active' } });
    await releaseHeld(world.db, { org: world.org.id, class: 'sequence', id: made.id, epoch });
    await until(() => callsOf(contacts).length >= 20, 'all are sent');
    await until(async () => (await stats(made.id)).touches.sent === 20, 'all are settled');
    expect(new Set(callsOf(contacts).map((call) => call.idempotency_key)).size).toBe(20);
    expect(callsOf(contacts)).toHaveLength(20);
  });

  test('[SEQ-1] what has enrollments is archived, not deleted; an archived one takes nobody and can come back', async () => {
    const made = await published();
    const contacts = await newContacts(3);
    await enroll(made.id, contacts);
    const refused = await world.call('DELETE', `${PATH}/${made.id}`);
    expect([refused.status, refused.body.code]).toEqual([409, 'sequence_in_use']);
    const archived = await world.call('POST', `${PATH}/${made.id}/archive?wait=5s`);
    expect(archived.body).toMatchObject({
      sequence: { status: 'archived', enrollments: { active: 3, total: 3 } },
      receipt: { status: 'paused', drained: true },
    });
    expect((await world.call('POST', `${PATH}/${made.id}/archive`)).body.receipt).toBeNull();
    for (const verb of ['publish', 'pause', 'resume']) {
      expect((await world.call('POST', `${PATH}/${made.id}/${verb}`)).status).toBe(409);
    }
    expect((await world.call('PATCH', `${PATH}/${made.id}`, { body: { name: 'New' } })).status).toBe(409);
    await expect(enroll(made.id, await newContacts(1))).rejects.toMatchObject({
      code: 'sequence_not_published',
    });
    expect((await world.call('GET', `${PATH}?status=archived&limit=200`)).text).toContain(made.id);
    const restored = await world.call('POST', `${PATH}/${made.id}/restore`);
    expect(restored.body.status).toBe('paused');
    expect((await world.call('POST', `${PATH}/${made.id}/restore`)).status).toBe(409);
  });

  test('[SEQ-1] a sequence that nobody was enrolled in is deleted', async () => {
    const draft = await newSequence();
    const live = await published();
    expect((await world.call('POST', `${PATH}/${draft.id}/pause`)).body.code).toBe('sequence_not_published');
    for (const { id } of [draft, live]) {
      expect((await world.call('DELETE', `${PATH}/${id}`)).status).toBe(204);
      expect((await world.call('GET', `${PATH}/${id}`)).status).toBe(404);
    }
  });

  test('[EXE-15] the organization and a channel have switches that answer with a receipt', async () => {
    const { items } = (await world.call('GET', '/api/switches')).body;
    expect(items[0]).toEqual({
      class: 'organization',
      id: world.org.id,
      paused: false,
      epoch: 0,
      updated_at: null,
    });
    expect(items).toContainEqual({
      class: 'channel',
      id: 'email',
      paused: false,
      epoch: 0,
      updated_at: null,
    });
    const made = await published({ steps: [first] });
    const targets = [{ class: 'organization' }, { class: 'channel', id: 'email' }];
    for (const [round, target] of targets.entries()) {
      const turn = (paused: boolean) =>
        world.call('POST', '/api/switches?wait=5s', { body: { ...target, paused, reason: 'drill' } });
      const off = await turn(true);
      expect(off.body.receipt).toMatchObject({
        subject_type: target.class,
        status: 'paused',
        epoch: 1,
        drained: true,
      });
      expect((await turn(true)).body.receipt.epoch).toBe(1);
      const shown = (await world.call('GET', '/api/switches')).body.items;
      expect(shown.filter((one: { paused: boolean }) => one.paused)).toMatchObject([
        { class: target.class, epoch: 1 },
      ]);
      const contacts = await newContacts(5);
      await enroll(made.id, contacts);
      if (target.id) await until(async () => (await held(made.id)) === 5, 'all are held');
      else await workerWentRound();
      expect(callsOf(contacts)).toHaveLength(0);
      const on = await turn(false);
      expect(on.body.receipt).toMatchObject({ status: 'active', epoch: 2 });
      if (target.id)
        await releaseHeld(world.db, { org: world.org.id, class: 'channel', id: target.id, epoch: 2 });
      await until(async () => (await stats(made.id)).touches.sent === 5 * (round + 1), 'all are sent');
      expect(callsOf(contacts)).toHaveLength(5);
    }
    const unknown = await world.call('POST', '/api/switches', {
      body: { class: 'channel', id: 'fax', paused: true },
    });
    expect(problems(unknown)).toEqual(['id unknown_channel']);
  });
});

describe('looking', () => {
  test('[TEN-4] a preview shows exactly what is then sent, and writes nothing', async () => {
    const made = await published({
      steps: [
        {
          ...first,
          body_text:
            'Dear {{ contact.last_name | default: "friend" }},\nfrom {{ sender.name }} in {{ sequence.name }}',
        },
        { ...second, delay: { amount: 0, unit: 'minutes' }, body_html: '<p>{{ contact.email }}</p>' },
        { ...second, delay: { amount: 3, unit: 'days' }, body_text: 'On {{ sequence.name }}' },
      ],
    });
    const [contact] = await newContacts(1, { last_name: 'Grace <Hopper>' });
    const before = await everything();
    const reply = await world.call('POST', `${PATH}/${made.id}/preview`, { body: { contact_id: contact } });
    expect(await everything()).toEqual(before);
    expect(reply.body).toMatchObject({ refused: null, sender: { name: 'Ann' }, contact_id: contact });
    const { steps } = reply.body;
    expect(steps.map((step: { subject: string }) => step.subject)).toEqual([
      'Hello Person 1',
      ...Array(2).fill('Re: Hello Person 1'),
    ]);
    expect(steps.map((step: { problem: unknown }) => step.problem)).toEqual([null, null, null]);
    expect(Date.parse(steps[2].at) - Date.parse(steps[1].at)).toBe(3 * 86_400_000);

    await enroll(made.id, [contact!]);
    await until(() => callsOf([contact!]).length === 2, 'both are sent');
    for (const [i, call] of callsOf([contact!]).entries()) {
      const { subject, text, html } = call.message;
      expect({ subject, text, html }).toEqual({
        subject: steps[i].subject,
        text: steps[i].text,
        html: steps[i].html,
      });
    }
  });

  test('[TEN-4] a preview says why a step would not go, and whom it would not take', async () => {
    const made = await newSequence({
      sender_ids: [await newSender()],
      steps: [
        { ...first, body_text: 'Dear {{ contact.company }}' },
        { channel: 'call', body_text: 'Ask' },
        second,
      ],
    });
    const [contact] = await newContacts(1);
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`
        INSERT INTO suppressions (org_id, kind, address, reason, source) VALUES (${world.org.id}, 'email', ${`p${contact!.replaceAll('-', '')}@example.com`}, 'manual', 'test')`),
    );
    const { body } = await world.call('POST', `${PATH}/${made.id}/preview`, {
      body: { contact_id: contact },
    });
    expect(body.refused).toBe('no_address');
    const codes = body.steps.map((step: { problem: { code: string } | null }) => step.problem?.code ?? null);
    expect(codes.slice(0, 2)).toEqual(['missing_variable', 'no_address']);
    const bare = await newSequence();
    const nobody = await world.call('POST', `${PATH}/${bare.id}/preview`, { body: { contact_id: contact } });
    expect(nobody.body).toMatchObject({
      refused: 'suppressed',
      sender: null,
      steps: [{ at: null, problem: { code: 'no_sender' } }, {}],
    });
    const unknown = await world.call('POST', `${PATH}/${bare.id}/preview`, {
      body: { contact_id: crypto.randomUUID() },
    });
    expect(unknown.status).toBe(404);
  });

  test('[SEQ-13] the numbers of a sequence add up, at every moment', async () => {
    const made = await published({ steps: [first, { ...second, delay: { amount: 0, unit: 'minutes' } }] });
    provider.answer = ({ message }) =>
      message.to.name === 'Person 3'
        ? { kind: 'refused', permanence: 'permanent', reason: 'mailbox_unknown' }
        : { kind: 'accepted' };
    const later = await published({ steps: [{ ...first, delay: { amount: 1, unit: 'hours' } }] });
    const waiting = await enroll(later.id, await newContacts(4));
    await act(world.db, world.deps.versions, world.org.caller, waiting[0]!, 'pause');
    await act(world.db, world.deps.versions, world.org.caller, waiting[1]!, 'unenroll');
    expect(await stats(later.id)).toMatchObject({
      enrollments: { active: 2, paused: 1, unenrolled: 1, total: 4 },
      touches: { planned: 2, cancelled: 2, waiting: 2, total: 4 },
      reasons: [
        { state: 'cancelled', reason: 'pause', count: 1 },
        { state: 'cancelled', reason: 'unenroll', count: 1 },
      ],
    });
    await enroll(made.id, await newContacts(10));
    let looks = 0;
    await until(async () => {
      const { touches, enrollments } = await stats(made.id);
      looks++;
      const { total, sent, failed, skipped, cancelled, waiting: open } = touches;
      expect(total).toBe(sent + failed + skipped + cancelled + open);
      expect(enrollments.total).toBe(10);
      // I5: one waiting touch for each active enrollment.
      expect(open).toBe(enrollments.active);
      return enrollments.active === 0;
    }, 'all have ended');
    expect(looks).toBeGreaterThan(1);
    provider.answer = () => ({ kind: 'accepted' });
    const end = await stats(made.id);
    expect(end).toMatchObject({
      enrollments: { completed: 9, bounced: 1, total: 10 },
      touches: { sent: 18, failed: 1, waiting: 0, total: 19 },
      reasons: [{ state: 'failed', reason: 'mailbox_unknown', count: 1 }],
    });
    expect(end.steps.map((step: { total: number }) => step.total).sort()).toEqual([10, 9]);
  });

  test("[TEN-3] another organization's sequence is not there, for any call", async () => {
    const made = await published();
    const [contact] = await newContacts(1);
    const { key } = world.other;
    for (const [method, rest, body] of [
      ['GET', ''],
      ['GET', '/stats'],
      ['PATCH', '', { name: 'Mine' }],
      ['DELETE', ''],
      ['POST', '/publish'],
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/archive'],
      ['POST', '/restore'],
      ['POST', '/preview', { contact_id: contact }],
    ] as const) {
      const options = body === undefined ? { key } : { key, body };
      const theirs = await world.call(method, `${PATH}/${made.id}${rest}`, options);
      const nobodys = await world.call(method, `${PATH}/${crypto.randomUUID()}${rest}`, options);
      expect([rest, theirs.status, theirs.body.detail]).toEqual([rest, 404, nobodys.body.detail]);
    }
    const own = await world.call('POST', PATH, {
      key,
      body: { name: 'Theirs', sender_ids: made.sender_ids, steps: [first] },
    });
    const refused = await world.call('POST', `${PATH}/${own.body.id}/publish`, { key });
    expect(problems(refused)).toEqual(['sender_ids[0] unknown_sender']);
    const preview = await world.call('POST', `${PATH}/${own.body.id}/preview`, {
      key,
      body: { contact_id: contact },
    });
    expect(preview.status).toBe(404);
    expect(
      world.logs.some((entry) => entry.security === true && JSON.stringify(entry).includes(made.id)),
    ).toBe(true);
  });

  test('[TEN-5] who made, edited, published, paused, resumed and archived a sequence is in the audit trail', async () => {
    const made = await published();
    await world.call('PATCH', `${PATH}/${made.id}`, { body: { name: 'Renamed' } });
    await world.call('PATCH', `${PATH}/${made.id}`, { body: { name: 'Renamed' } });
    for (const verb of ['pause', 'resume', 'archive', 'restore'])
      await world.call('POST', `${PATH}/${made.id}/${verb}`);
    const trail = await world.call('GET', `/api/audit?subject_type=sequence&subject_id=${made.id}`);
    expect(trail.body.items.map((entry: { action: string }) => entry.action).reverse()).toEqual([
      'sequence.create',
      'sequence.publish',
      'sequence.update',
      'sequence.pause',
      'sequence.resume',
      'sequence.pause',
      'sequence.archive',
      'sequence.restore',
    ]);
    expect(new Set(trail.body.items.map((entry: { actor_type: string }) => entry.actor_type))).toEqual(
      new Set(['api_key']),
    );
  });
});

async function stats(sequence: string) {
  const reply = await world.call('GET', `${PATH}/${sequence}/stats`);
  expect(reply.status, reply.text).toBe(200);
  return reply.body;
}

/** Whether some statement waits for a lock. */
async function waits(tx: Tx): Promise<boolean> {
  const row = await tx.one<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return row.n > 0;
}

/** Another organization's message goes out: so the worker has been round since. */
async function workerWentRound(): Promise<void> {
  const { db, deps, other } = world;
  const { key } = other;
  const [sender, contact] = [newId(), newId()];
  await db.inOrg(other.id, async (tx) => {
    await tx.run(sql`
      INSERT INTO senders (org_id, id, channel, provider, name, from_address) VALUES (${other.id}, ${sender}, 'email', 'smtp', 'Bob', 'bob@example.com')`);
    await tx.run(
      sql`INSERT INTO contacts (org_id, id, email) VALUES (${other.id}, ${contact}, ${`${contact}@example.com`})`,
    );
  });
  const steps = [{ ...first, subject: 'Probe' }];
  const made = await world.call('POST', PATH, { key, body: { name: 'Probe', sender_ids: [sender], steps } });
  await world.call('POST', `${PATH}/${made.body.id}/publish`, { key });
  await enrollContacts(db, deps.versions, other.caller, {
    sequence_id: made.body.id,
    contact_ids: [contact],
  });
  await until(
    () => provider.calls.some((call) => call.message.to.address.startsWith(contact)),
    'the probe is sent',
  );
}

async function held(sequence: string): Promise<number> {
  const row = await world.db.inOrg(world.org.id, (tx) =>
    tx.one<{ n: number }>(
      sql`SELECT count(*)::int AS n FROM touches WHERE org_id = ${world.org.id} AND sequence_id = ${sequence} AND held_by IS NOT NULL`,
    ),
  );
  return row.n;
}

/** What a dry run must leave alone. */
async function everything() {
  return world.db.inOrg(world.org.id, (tx) =>
    tx.one(sql`
      SELECT (SELECT count(*) FROM touches) AS touches, (SELECT count(*) FROM enrollments) AS enrollments,
             (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM gates) AS gates,
             (SELECT count(*) FROM sender_usage) AS usage, (SELECT count(*) FROM audit_log) AS audit,
             (SELECT count(*) FROM receipts) AS receipts, (SELECT max(updated_at) FROM sequences) AS sequences`),
  );
}
