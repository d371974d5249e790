/** A test to oneself: a code proves an address, and nothing but that address ever gets anything. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { type DueWorld, dueWorld } from '../support/due.ts';
import { makeSender, makeSequence } from '../support/outreach.ts';
import { until } from '../support/until.ts';
import type { Org, Reply } from './world.ts';

const NOW = { amount: 0, unit: 'minutes' };
const HELLO = {
  key: 'hello',
  channel: 'email',
  delay: NOW,
  subject: 'Hello {{ contact.first_name }}',
  body_text: 'You work at {{ contact.company }}. Out: {{ unsubscribe_url }}',
};

let world: DueWorld;
beforeAll(async () => {
  world = await dueWorld();
});
afterAll(() => world?.close());
beforeEach(async () => {
  world.provider.calls.length = 0;
  world.provider.answer = () => ({ kind: 'accepted', provider_id: 'p1' });
  // An hour has passed since the test before.
  await run(
    sql`UPDATE member_mail SET begun_at = begun_at - interval '2 hours' WHERE org_id = ${world.org.id}`,
  );
});

const run = (statement: ReturnType<typeof sql>, org: Org = world.org) =>
  world.db.inOrg(org.id, (tx) => tx.run(statement));
const rows = (statement: ReturnType<typeof sql>) => world.db.inOrg(world.org.id, (tx) => tx.rows(statement));
const mails = () => world.provider.calls.map((call) => call.message as EmailMessage);

interface Member {
  id: Uuid;
  key: string;
  call(method: string, path: string, body?: unknown): Promise<Reply>;
}

async function member(role = 'member', of: Org = world.org): Promise<Member> {
  const email = `m${newId()}@example.org`;
  const made = await world.call('POST', '/api/members', { key: of.key, body: { name: 'Mo', email, role } });
  const key = await world.call('POST', '/api/api-keys', {
    key: of.key,
    body: { name: 'mine', role, member_id: made.body.id },
  });
  expect([made.status, key.status]).toEqual([201, 201]);
  return {
    id: made.body.id,
    key: key.body.key,
    call: (method, path, body) => world.call(method, path, { key: key.body.key, body }),
  };
}

const addAddress = (who: Member, address: string, sender: Uuid = world.sender) =>
  who.call('POST', '/api/me/addresses', { kind: 'email', address, sender_id: sender });
const codeIn = (message: EmailMessage) => /^\d{6}/.exec(message.text)![0];

/** Its address, verified by the code that came there. */
async function verified(who: Member): Promise<string> {
  const address = `own-${newId()}@example.org`;
  const added = await addAddress(who, address);
  const code = codeIn(mails().at(-1)!);
  const done = await who.call('POST', `/api/me/addresses/${added.body.address.id}/verify`, { code });
  expect([added.status, done.status, done.body.address]).toEqual([201, 200, address]);
  world.provider.calls.length = 0;
  return address;
}

async function draft(steps: readonly unknown[], sender = world.sender): Promise<Uuid> {
  const { status, body } = await world.post('/api/outreach/sequences', {
    name: 'Test',
    sender_ids: [sender],
    steps,
  });
  expect([status, body]).toEqual([201, expect.anything()]);
  return body.id;
}

const send = (who: Member, sequence: Uuid, body: unknown = { step: 'hello' }) =>
  who.call('POST', `/api/outreach/sequences/${sequence}/send-test`, body);

describe('[TEN-4] an address of one’s own', () => {
  test('is verified by the code that comes there, and by no other', async () => {
    const mo = await member();
    const added = await addAddress(mo, 'Mo@Example.ORG');
    expect(added.body).toMatchObject({
      address: { kind: 'email', address: 'mo@example.org', verified_at: null },
      code: { outcome: 'sent', to: 'mo@example.org' },
    });
    expect(mails().map((mail) => mail.to)).toEqual([{ address: 'mo@example.org' }]);
    const code = codeIn(mails()[0]!);
    expect(JSON.stringify(added.body)).not.toContain(code);
    const verify = `/api/me/addresses/${added.body.address.id}/verify`;
    const wrong = code === '000000' ? '000001' : '000000';
    expect((await mo.call('POST', verify, { code: wrong })).body).toMatchObject({
      code: 'code_refused',
      reason: 'wrong_code',
    });
    const other = await member();
    expect((await other.call('POST', verify, { code })).status).toBe(404);
    expect((await mo.call('POST', verify, { code })).status).toBe(200);
    const { body } = await mo.call('GET', '/api/me');
    expect(body).toMatchObject({
      member: { id: mo.id },
      role: 'member',
      addresses: [{ address: 'mo@example.org' }],
    });
    expect(body.addresses[0].verified_at).not.toBeNull();
    expect((await addAddress(mo, 'mo@example.org')).body.code).toBe('conflict');
  });

  test('the code is kept as a slow hash alone', async () => {
    const mo = await member();
    const { body } = await addAddress(mo, `h${newId()}@example.org`);
    const code = codeIn(mails()[0]!);
    const [row] = await rows(
      sql`SELECT a::text AS all, octet_length(code_hash) AS n FROM member_addresses a WHERE org_id = ${world.org.id} AND id = ${body.address.id}`,
    );
    expect(row!['n']).toBe(32);
    expect(row!['all']).not.toContain(code);
  });

  test('a code is over after 15 minutes, and after five tries', async () => {
    const mo = await member();
    const late = (await addAddress(mo, `l${newId()}@example.org`)).body.address.id;
    const lateCode = codeIn(mails()[0]!);
    await run(
      sql`UPDATE member_addresses SET code_expires_at = code_expires_at - interval '15 minutes' WHERE org_id = ${world.org.id} AND id = ${late}`,
    );
    expect(
      (await mo.call('POST', `/api/me/addresses/${late}/verify`, { code: lateCode })).body,
    ).toMatchObject({ reason: 'expired' });
    const tried = (await addAddress(mo, `t${newId()}@example.org`)).body.address.id;
    const code = codeIn(mails()[1]!);
    const wrong = code === '000000' ? '000001' : '000000';
    const verify = (given: string) => mo.call('POST', `/api/me/addresses/${tried}/verify`, { code: given });
    const five = await Promise.all(Array.from({ length: 5 }, () => verify(wrong)));
    expect(five.map((one) => one.body.reason)).toEqual(Array(5).fill('wrong_code'));
    expect((await verify(code)).body).toMatchObject({ code: 'code_refused', reason: 'too_many_tries' });
  });

  test('a member gets five codes an hour, at once or one after the other', async () => {
    const mo = await member();
    const all = await Promise.all(
      Array.from({ length: 7 }, (_, i) => addAddress(mo, `r${i}${newId()}@example.org`)),
    );
    const statuses = all.map((one) => one.status).sort();
    expect(statuses).toEqual([201, 201, 201, 201, 201, 429, 429]);
    const refused = all.find((one) => one.status === 429)!;
    expect(refused.body).toMatchObject({ code: 'rate_limited', reason: 'code_rate' });
    expect(refused.headers.get('retry-after')).toBe('3600');
    expect(mails()).toHaveLength(5);
    // Refused, nothing of it stays.
    expect((await mo.call('GET', '/api/me')).body.addresses).toHaveLength(5);
  });

  test('a key without a member has none: 409 with the remedy', async () => {
    const { key } = await world.newKey(world.org, 'member');
    const body = { kind: 'email', address: 'a@example.org', sender_id: world.sender };
    const added = await world.call('POST', '/api/me/addresses', { key, body });
    expect(added).toMatchObject({ status: 409, body: { code: 'no_member' } });
    expect(added.body.advice).toContain('--member');
    const sequence = await draft([HELLO]);
    const sent = await world.call('POST', `/api/outreach/sequences/${sequence}/send-test`, {
      key,
      body: { step: 'hello' },
    });
    expect(sent).toMatchObject({ status: 409, body: { code: 'no_member' } });
    expect((await world.call('GET', '/api/me', { key })).body).toMatchObject({ member: null, addresses: [] });
    expect(mails()).toEqual([]);
  });

  test('a key may no more than its member, and ends with it', async () => {
    const mo = await member('viewer');
    const make = (body: object, key = world.org.key) =>
      world.call('POST', '/api/api-keys', { key, body: { name: 'x', ...body } });
    expect((await make({ role: 'member', member_id: mo.id })).body.errors[0].field).toBe('role');
    const theirs = await member('member', world.other);
    expect((await make({ role: 'viewer', member_id: theirs.id })).status).toBe(404);
    const owner = await member('owner');
    const admin = await world.newKey(world.org, 'admin');
    expect((await make({ role: 'viewer', member_id: owner.id }, admin.key)).status).toBe(403);
    expect((await mo.call('GET', '/api/me')).status).toBe(200);
    await world.call('PATCH', `/api/members/${mo.id}`, { body: { disabled: true } });
    expect((await mo.call('GET', '/api/me')).status).toBe(401);
  });
});

/** All that outreach to contacts consists of. */
async function ledger(): Promise<unknown> {
  const [row] = await rows(sql`
    SELECT (SELECT jsonb_agg(e ORDER BY id) FROM enrollments e WHERE org_id = ${world.org.id}) AS enrollments,
           (SELECT jsonb_agg(t ORDER BY id) FROM touches t WHERE org_id = ${world.org.id}) AS touches,
           (SELECT jsonb_agg(c ORDER BY id) FROM contacts c WHERE org_id = ${world.org.id}) AS contacts,
           (SELECT count(*) FROM events WHERE org_id = ${world.org.id}) AS events,
           (SELECT count(*) FROM contact_events WHERE org_id = ${world.org.id}) AS told,
           (SELECT count(*) FROM gates WHERE org_id = ${world.org.id}) AS gates,
           (SELECT count(*) FROM suppressions WHERE org_id = ${world.org.id}) AS suppressions,
           (SELECT count(*) FROM contact_usage WHERE org_id = ${world.org.id}) AS contact_usage,
           (SELECT jsonb_agg(s ORDER BY id) FROM sequences s WHERE org_id = ${world.org.id}) AS sequences`);
  return row;
}
const used = async (sender: Uuid = world.sender) =>
  (
    await rows(sql`SELECT coalesce(sum(used), 0)::int AS used, coalesce(sum(to_members), 0)::int AS to_members FROM sender_usage
     WHERE org_id = ${world.org.id} AND sender_id = ${sender} AND period LIKE 'd%'`)
  )[0]!;

describe('[TEN-4] a test to oneself', () => {
  test('goes to the caller’s own verified address, marked, with the contact’s data, and nothing else changes', async () => {
    const mo = await member();
    const own = await verified(mo);
    const { contact, sequence: live } = await world.waiting([
      { channel: 'email', delay: { amount: 5, unit: 'days' }, subject: 'A', body_text: 'B' },
    ]);
    expect(live).toBeTruthy();
    const sequence = await draft([HELLO]);
    const [before, quota] = [await ledger(), await used()];
    const sent = await send(mo, sequence, { step: 'hello', contact_id: contact });
    expect(sent).toMatchObject({
      status: 200,
      body: {
        outcome: 'sent',
        to: own,
        channel: 'email',
        sender_id: world.sender,
        step_no: 0,
        subject: '[Test] Hello Ada',
      },
    });
    const [mail] = mails();
    expect(mail).toMatchObject({ to: { address: own }, subject: '[Test] Hello Ada' });
    expect(mail!.text).toContain('You work at Analytical Engines.');
    expect(JSON.stringify(world.provider.calls)).not.toContain(`p${contact}@example.com`);
    expect(world.provider.calls[0]!.idempotency_key).toBe(`${sent.body.id}.1`);
    expect(await ledger()).toEqual(before);
    expect(await used()).toEqual({ used: quota['used'] + 1, to_members: quota['to_members'] + 1 });
    const { body: trail } = await world.call('GET', `/api/audit?subject_type=member&subject_id=${mo.id}`);
    expect(trail.items[0]).toMatchObject({
      action: 'sequence.send_test',
      data: { outcome: 'sent', sender_id: world.sender, sequence_id: sequence },
    });
    expect(JSON.stringify(trail.items[0])).not.toContain(own);
  });

  test('its unsubscribe link unsubscribes nobody, and says so', async () => {
    const mo = await member();
    await verified(mo);
    const before = await ledger();
    await send(mo, await draft([HELLO]), { step: 'hello', contact_id: await world.contact() });
    const link = /https?:\S+\/u\/\S+/.exec(mails()[0]!.text)![0];
    expect(mails()[0]!.headers['List-Unsubscribe']).toContain(link);
    for (const method of ['GET', 'POST']) {
      const answer = await fetch(link, { method });
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('This was a test')]);
    }
    const after = (await ledger()) as { suppressions: number };
    expect(after.suppressions).toBe((before as { suppressions: number }).suppressions);
  });

  test('a request that names an address is refused, whatever it calls it', async () => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    for (const field of ['to', 'address', 'email', 'member_id', 'phone'])
      expect((await send(mo, sequence, { step: 'hello', [field]: 'victim@example.net' })).status, field).toBe(
        400,
      );
    expect(mails()).toEqual([]);
  });

  test('without a verified address nothing goes: one that waits for its code is none, one removed is none', async () => {
    const mo = await member();
    const sequence = await draft([HELLO]);
    expect(await send(mo, sequence)).toMatchObject({ status: 409, body: { code: 'no_verified_address' } });
    await addAddress(mo, `w${newId()}@example.org`);
    world.provider.calls.length = 0;
    expect((await send(mo, sequence)).body.code).toBe('no_verified_address');
    await verified(mo);
    for (const { id } of (await mo.call('GET', '/api/me')).body.addresses)
      expect((await mo.call('DELETE', `/api/me/addresses/${id}`)).status).toBe(204);
    expect((await send(mo, sequence)).body.code).toBe('no_verified_address');
    // Somebody else's verified address is not the caller's.
    await verified(await member());
    expect((await send(mo, sequence)).body.code).toBe('no_verified_address');
    expect(mails()).toEqual([]);
  });

  test('another organization’s sequence, contact and sender are not there', async () => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    const theirs = await makeSender(world.db, world.other.id);
    const their = await makeSequence(world.db, world.other.id, theirs, { steps: [HELLO] });
    const contact = newId();
    await run(
      sql`INSERT INTO contacts (org_id, id, email) VALUES (${world.other.id}, ${contact}, 'x@example.com')`,
      world.other,
    );
    expect((await send(mo, their)).status).toBe(404);
    expect((await send(mo, sequence, { step: 'hello', contact_id: contact })).status).toBe(404);
    expect((await send(mo, sequence, { step: 'hello', sender_id: theirs })).status).toBe(404);
    expect((await addAddress(mo, 'a@example.org', theirs)).status).toBe(404);
    expect(mails()).toEqual([]);
  });

  test('steps that no program sends to a person are refused with why; an unknown step is named', async () => {
    const mo = await member();
    await verified(mo);
    const steps = [
      { key: 'human', channel: 'email', mode: 'human', subject: 'S', body_text: 'T' },
      { key: 'call', channel: 'call', body_text: 'Ask' },
      { key: 'linkedin', channel: 'linkedin', body_text: 'Hi' },
      { key: 'task', channel: 'task', body_text: 'Do' },
      { key: 'wait', channel: 'wait' },
      { key: 'webhook', channel: 'webhook', url: 'https://example.com/hook' },
    ].map((step) => ({ delay: NOW, ...step }));
    const sequence = await draft(steps);
    for (const { key } of steps)
      expect([key, (await send(mo, sequence, { step: key })).body.code]).toEqual([key, 'step_not_testable']);
    expect((await send(mo, sequence, { step: 'nothing' })).body.errors[0].field).toBe('step');
    expect(mails()).toEqual([]);
  });

  test('[SEQ-3] a made-up contact, the subject that a follow-up answers, an arm, the published version', async () => {
    const mo = await member();
    await verified(mo);
    const follow = { key: 'follow', channel: 'email', delay: NOW, body_text: 'Again {{ contact.company }}' };
    const variants = [
      { key: 'a', weight: 1, subject: 'Arm A' },
      { key: 'b', weight: 1, subject: 'Arm B' },
    ];
    const arms = { key: 'arms', channel: 'email', delay: NOW, subject: 'S', body_text: 'T', variants };
    const sequence = await draft([HELLO, follow, arms]);
    expect((await send(mo, sequence, { step: 'follow' })).body.subject).toBe('[Test] Re: Hello Alexandra');
    expect(mails()[0]!.in_reply_to).toBeUndefined();
    const other = { key: 'other', channel: 'email', delay: NOW, subject: 'Other', body_text: 'Two' };
    const last = { ...follow, key: 'last' };
    const threads = await draft([HELLO, follow, other, last]);
    expect((await send(mo, threads, { step: 'last' })).body.subject).toBe('[Test] Re: Other');
    expect((await send(mo, sequence, { step: 'arms', variant: 'b' })).body).toMatchObject({
      subject: '[Test] Arm B',
      variant: 'b',
    });
    expect((await send(mo, sequence, { step: 'hello', variant: 'b' })).body.errors[0].field).toBe('variant');
    expect((await send(mo, sequence, { step: 'hello', version: 'published' })).body.code).toBe(
      'sequence_not_published',
    );
    await world.post(`/api/outreach/sequences/${sequence}/publish`);
    await world.call('PATCH', `/api/outreach/sequences/${sequence}`, {
      body: { steps: [{ ...HELLO, subject: 'New' }] },
    });
    expect((await send(mo, sequence)).body.subject).toBe('[Test] New');
    expect((await send(mo, sequence, { step: 'hello', version: 'published' })).body.subject).toBe(
      '[Test] Hello Alexandra',
    );
  });

  test('viewers may not', async () => {
    const mo = await member('viewer');
    const sequence = await draft([HELLO]);
    expect((await send(mo, sequence)).status).toBe(403);
    expect((await addAddress(mo, 'v@example.org')).status).toBe(403);
    expect((await mo.call('GET', '/api/me')).status).toBe(200);
  });
});

/** How many wait for an advisory lock in this database. */
async function waiting(client: pg.Client): Promise<number> {
  const { rowCount } = await client.query(
    "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  return rowCount ?? 0;
}

describe('[TEN-4] [EXE-3] mail to oneself goes through the same stops and limits', () => {
  const SWITCHES: [string, string, string][] = [
    [
      'organization_paused',
      `UPDATE organizations SET sending_paused = true`,
      `UPDATE organizations SET sending_paused = false`,
    ],
    [
      'channel_paused',
      `INSERT INTO channel_switches (org_id, channel, paused) SELECT org_id, 'email', true FROM organizations`,
      `DELETE FROM channel_switches`,
    ],
    ['sender_paused', `UPDATE senders SET status = 'paused'`, `UPDATE senders SET status = 'active'`],
  ];
  test.each(SWITCHES)('%s, also between composing and the gate', async (reason, off, on) => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    const owner = new pg.Client({ connectionString: world.ownerUrl });
    await owner.connect();
    const { engine } = world.deps;
    try {
      const before = await used();
      engine.failpoint = async (name) => {
        if (name === 'before_gate') await owner.query(off);
      };
      expect(await send(mo, sequence)).toMatchObject({
        status: 409,
        body: { code: 'member_mail_refused', reason },
      });
      delete engine.failpoint;
      expect((await addAddress(mo, `k${newId()}@example.org`)).body).toMatchObject({
        code: 'member_mail_refused',
        reason,
      });
      expect([mails(), await used()]).toEqual([[], before]);
    } finally {
      delete engine.failpoint;
      if (reason === 'channel_paused') await owner.query('TRUNCATE channel_switches');
      else await owner.query(on);
      await owner.end();
    }
    expect((await send(mo, sequence)).body.outcome).toBe('sent');
  });

  test.each([
    ['organization_paused', 1, 'UPDATE organizations SET sending_paused = $2 WHERE org_id = $1'],
    [
      'sender_paused',
      3,
      "UPDATE senders SET status = CASE WHEN $2 THEN 'paused' ELSE 'active' END WHERE org_id = $1",
    ],
  ])('%s: a stop that holds its lock is waited for, and seen', async (reason, lockClass, turn) => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    const stop = new pg.Client({ connectionString: world.ownerUrl });
    await stop.connect();
    try {
      await stop.query('BEGIN');
      await stop.query('SELECT lock_exclusive($1, $2, $3)', [lockClass, world.org.id, world.sender]);
      const asked = send(mo, sequence);
      await until(async () => (await waiting(stop)) > 0, 'the message to wait for the stop');
      await stop.query(turn, [world.org.id, true]);
      await stop.query('COMMIT');
      expect((await asked).body).toMatchObject({ code: 'member_mail_refused', reason });
      expect(mails()).toEqual([]);
    } finally {
      await stop.query('ROLLBACK');
      await stop.query(turn, [world.org.id, false]);
      await stop.end();
    }
  });

  test('[EXE-7] what went to a member counts for the gate, and the circuit breaker does not count it', async () => {
    const mo = await member();
    await verified(mo);
    const sender = await makeSender(world.db, world.org.id);
    await run(
      sql`UPDATE senders SET daily_limit = 1, version = version + 1 WHERE org_id = ${world.org.id} AND id = ${sender}`,
    );
    const live = await makeSequence(world.db, world.org.id, sender, { steps: [HELLO] });
    expect((await send(mo, live, { step: 'hello', version: 'published' })).body.outcome).toBe('sent');
    const { touch } = await world.enroll(live, await world.contact());
    await world.work();
    expect(mails()).toHaveLength(1);
    expect(await world.touch(touch)).toMatchObject({ state: 'planned', reason: 'quota_day' });
    const { body } = await world.call('GET', `/api/senders/${sender}`);
    expect(body.usage).toMatchObject({ used_today: 1, record: { sends: 0 } });
  });

  test('a text message goes to the verified phone, marked, and counted in its segments', async () => {
    const mo = await member();
    await verified(mo);
    const sms = newId();
    await run(sql`INSERT INTO senders (org_id, id, channel, provider, name, from_address)
      VALUES (${world.org.id}, ${sms}, 'sms', 'test', 'Texts', '+14155550100')`);
    const text = { key: 'text', channel: 'sms', delay: NOW, body_text: `${'x'.repeat(158)}` };
    const sequence = await draft([text], sms);
    expect((await send(mo, sequence, { step: 'text' })).body.code).toBe('no_verified_address');
    const body = { kind: 'phone', address: '+1 (415) 555-2671', sender_id: sms };
    const added = await mo.call('POST', '/api/me/addresses', body);
    expect(added.body.address.address).toBe('+14155552671');
    const code = codeIn(mails()[0]!);
    await mo.call('POST', `/api/me/addresses/${added.body.address.id}/verify`, { code });
    expect((await mo.call('POST', '/api/me/addresses', { ...body, sender_id: world.sender })).status).toBe(
      400,
    );
    const sent = await send(mo, sequence, { step: 'text', contact_id: await world.contact() });
    expect(sent.body).toMatchObject({ outcome: 'sent', to: '+14155552671', channel: 'sms' });
    expect(mails()[1]).toMatchObject({
      kind: 'sms',
      to: '+14155552671',
      text: `[Test] ${'x'.repeat(158)}`,
      segments: 2,
    });
  });

  test('a suppressed address gets nothing', async () => {
    const mo = await member();
    const own = await verified(mo);
    await run(
      sql`INSERT INTO suppressions (org_id, kind, address, reason, source) VALUES (${world.org.id}, 'email', ${own}, 'unsubscribe', 'test')`,
    );
    expect((await send(mo, await draft([HELLO]))).body).toMatchObject({
      code: 'member_mail_refused',
      reason: 'suppressed',
    });
    expect(mails()).toEqual([]);
  });

  test('[EXE-7] the sender’s day and hour are not passed, by several at once neither', async () => {
    const mo = await member();
    await verified(mo);
    for (const [limit, reason] of [
      [sql`daily_limit = 3, hourly_limit = NULL`, 'quota_day'],
      [sql`daily_limit = NULL, hourly_limit = 3`, 'quota_hour'],
    ] as const) {
      const sender = await makeSender(world.db, world.org.id);
      await run(
        sql`UPDATE senders SET ${limit}, version = version + 1 WHERE org_id = ${world.org.id} AND id = ${sender}`,
      );
      const sequence = await draft([HELLO], sender);
      world.provider.calls.length = 0;
      const all = await Promise.all(Array.from({ length: 6 }, () => send(mo, sequence)));
      expect(all.filter((one) => one.status === 200)).toHaveLength(3);
      expect(new Set(all.filter((one) => one.status !== 200).map((one) => one.body.reason))).toEqual(
        new Set([reason]),
      );
      expect(mails()).toHaveLength(3);
      expect(await used(sender)).toEqual({ used: 3, to_members: 3 });
    }
  });

  test('[EXE-9] a sender’s gap is kept', async () => {
    const mo = await member();
    await verified(mo);
    const sender = await makeSender(world.db, world.org.id);
    await run(
      sql`UPDATE senders SET min_gap_s = 60, max_gap_s = 90, version = version + 1 WHERE org_id = ${world.org.id} AND id = ${sender}`,
    );
    const sequence = await draft([HELLO], sender);
    expect((await send(mo, sequence)).body.outcome).toBe('sent');
    expect((await send(mo, sequence)).body.reason).toBe('sender_gap');
    await run(
      sql`UPDATE sender_usage SET gap_from = gap_from - interval '2 minutes' WHERE org_id = ${world.org.id} AND sender_id = ${sender} AND period = 'gap'`,
    );
    expect((await send(mo, sequence)).body.outcome).toBe('sent');
    expect(mails()).toHaveLength(2);
  });

  test('an organization sends its members 20 an hour, through however many senders at once', async () => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    const senders = await Promise.all(Array.from({ length: 11 }, () => makeSender(world.db, world.org.id)));
    const all = await Promise.all(
      [...senders, ...senders].map((sender_id) => send(mo, sequence, { step: 'hello', sender_id })),
    );
    // One was the code.
    expect(all.filter((one) => one.status === 200)).toHaveLength(19);
    const refused = all.find((one) => one.status !== 200);
    expect(refused).toMatchObject({ status: 429, body: { reason: 'member_mail_rate' } });
  });

  test('those of one organization are counted one at a time', async () => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    const other = await makeSender(world.db, world.org.id);
    await run(sql`INSERT INTO member_mail (org_id, id, member_id, sender_id, purpose, day, begun_at)
      SELECT ${world.org.id}, gen_random_uuid(), ${mo.id}, ${other}, 'test', 'd2026-01-01', now() FROM generate_series(1, 18)`);
    const first = new pg.Client({ connectionString: world.ownerUrl });
    await first.connect();
    try {
      await first.query('BEGIN');
      await first.query('SELECT pg_advisory_xact_lock(6, lock_key($1))', [world.org.id]);
      const both = Promise.all(
        [world.sender, other].map((sender_id) => send(mo, sequence, { step: 'hello', sender_id })),
      );
      await until(async () => (await waiting(first)) === 2, 'both to wait for the one that counts');
      await first.query('COMMIT');
      expect((await both).map((one) => one.status).sort()).toEqual([200, 429]);
    } finally {
      await first.end();
    }
  });

  test('what the provider refused gives its quota back; what may have gone does not, and neither is tried again', async () => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    const before = await used();
    world.provider.answer = () => ({
      kind: 'refused',
      permanence: 'permanent',
      reason: 'policy',
      response: '550 no',
    });
    expect((await send(mo, sequence)).body).toMatchObject({
      outcome: 'failed',
      reason: 'policy',
      detail: '550 no',
    });
    world.provider.answer = () => ({ kind: 'not_started', reason: 'no_connection' });
    expect((await send(mo, sequence)).body).toMatchObject({ outcome: 'failed', reason: 'no_connection' });
    expect(await used()).toEqual(before);
    world.provider.answer = () => ({ kind: 'ambiguous', reason: 'timeout' });
    const unknown = await send(mo, sequence);
    expect(unknown.body).toMatchObject({ outcome: 'unknown', reason: 'timeout' });
    expect(await used()).toEqual({ used: before['used'] + 1, to_members: before['to_members'] + 1 });
    expect(mails()).toHaveLength(3);
    await world.work();
    expect(mails()).toHaveLength(3);
    const { body } = await world.call('GET', `/api/audit?subject_type=member&subject_id=${mo.id}`);
    expect(body.items.slice(0, 3).map((item: { data: { outcome: string } }) => item.data.outcome)).toEqual([
      'unknown',
      'failed',
      'failed',
    ]);
  });

  test('no transaction is open while the provider is called [I11]', async () => {
    const mo = await member();
    await verified(mo);
    const sequence = await draft([HELLO]);
    let open: number | undefined;
    world.provider.answer = async () => {
      const [row] = await world.db.call<{ n: number }>(
        sql`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
      );
      open = row!.n;
      return { kind: 'accepted' };
    };
    expect((await send(mo, sequence)).body.outcome).toBe('sent');
    expect(open).toBe(0);
  });
});
