import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { ACCEPTED, answered, letGo } from '../support/flight.ts';
import { makeContacts, makeSender, makeSequence } from '../support/outreach.ts';
import { until } from '../support/until.ts';
import { setup, type World } from './world.ts';

let world: World;
let sender: Uuid;

beforeAll(async () => {
  world = await setup();
  sender = await makeSender(world.db, world.org.id);
});
afterAll(() => world?.close());

interface Recipient {
  contact: Uuid;
  enrollment: Uuid;
  touch: Uuid;
  email: string;
  token: string;
}

/** Somebody who was sent the first message of a sequence. */
async function recipient(): Promise<Recipient> {
  const org_id = world.org.id;
  const [contact] = await makeContacts(world.db, org_id, 1);
  const sequence_id = await makeSequence(world.db, org_id, sender);
  const made = await world.call('POST', '/api/outreach/enrollments', {
    body: { sequence_id, contact_id: contact },
  });
  const touch = made.body.enrollment.live_touch;
  const runway = { db: world.db, versions: world.deps.versions, org: org_id };
  await answered(runway, await letGo(runway, touch), ACCEPTED);
  const token = world.deps.tokens.sign({ org_id, contact_id: contact!, touch_id: touch, channel: 'email' });
  const { email } = await world.db.inOrg(org_id, (tx) =>
    tx.one(sql`SELECT email FROM contacts WHERE org_id = ${org_id} AND id = ${contact}`),
  );
  return { contact: contact!, enrollment: made.body.enrollment.id, touch, email, token };
}

async function asOwner(statements: string): Promise<void> {
  const client = new pg.Client({ connectionString: world.ownerUrl });
  await client.connect();
  await client.query(statements);
  await client.end();
}

/** Everything that an opt-out would change, of the whole organization. */
async function everything(): Promise<unknown> {
  const org = world.org.id;
  return world.db.inOrg(org, (tx) =>
    tx.one(sql`
      SELECT (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.id) FROM enrollments e WHERE e.org_id = ${org}) AS enrollments,
             (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.id) FROM touches t WHERE t.org_id = ${org}) AS touches,
             (SELECT count(*) FROM consents WHERE org_id = ${org}) AS consents,
             (SELECT count(*) FROM suppressions WHERE org_id = ${org}) AS suppressions,
             (SELECT count(*) FROM receipts WHERE org_id = ${org}) AS receipts,
             (SELECT count(*) FROM audit_log WHERE org_id = ${org}) AS audit,
             (SELECT count(*) FROM events WHERE org_id = ${org}) AS events`),
  );
}

const status = async (id: Uuid) => (await world.call('GET', `/api/outreach/enrollments/${id}`)).body.status;

describe('pressing the link', () => {
  test.each<[string, RequestInit]>([
    [
      'one click, as RFC 8058 has it',
      {
        body: 'List-Unsubscribe=One-Click',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
    ],
    [
      'one click as multipart',
      {
        body: '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        headers: { 'content-type': 'multipart/form-data; boundary=b' },
      },
    ],
    [
      'the button of the page',
      { body: 'from=page', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ],
    ['an empty body', {}],
    ['broken JSON', { body: '{', headers: { 'content-type': 'application/json' } }],
    ['a body of no type', { body: new Uint8Array([1, 2, 3]) }],
    ['a type that is none', { body: 'x', headers: { 'content-type': 'no type at all' } }],
    ['a long body', { body: 'x'.repeat(3_000_000), headers: { 'content-type': 'text/plain' } }],
  ])('[CON-5] unsubscribes at once, without login or confirmation: %s', async (_what, how) => {
    const { token, enrollment, email, contact } = await recipient();
    const response = await fetch(`${world.url}/u/${token}`, { method: 'POST', redirect: 'manual', ...how });
    expect(response.status).toBe(200);
    expect(response.headers.get('set-cookie')).toBeNull();
    const page = await response.text();
    expect(page).toContain('You are unsubscribed');
    expect(page).not.toContain(email);
    expect(await status(enrollment)).toBe('unsubscribed');
    const { body } = await world.call('GET', `/api/contacts/${contact}/consents`);
    expect(body.items[0]).toMatchObject({
      status: 'revoked',
      source: _what.includes('page') ? 'page' : 'one_click',
    });
  });

  test('[CON-4] ends every enrollment of the contact, cancels what is planned and suppresses the address', async () => {
    const { token, enrollment, contact, email, touch } = await recipient();
    const sequence_id = await makeSequence(world.db, world.org.id, sender);
    const second = await world.call('POST', '/api/outreach/enrollments', {
      body: { sequence_id, contact_id: contact },
    });
    await world.call('PATCH', `/api/outreach/enrollments/${second.body.enrollment_id}`, {
      body: { action: 'pause' },
    });
    await fetch(`${world.url}/u/${token}`, { method: 'POST' });
    for (const id of [enrollment, second.body.enrollment_id]) {
      const { body } = await world.call('GET', `/api/outreach/enrollments/${id}`);
      expect(body).toMatchObject({
        status: 'unsubscribed',
        status_reason: 'unsubscribe_one_click',
        due_at: null,
        ended_by: `contact:${contact}`,
      });
      expect(body.touches.every((one: { state: string }) => ['sent', 'cancelled'].includes(one.state))).toBe(
        true,
      );
    }
    const [row] = await world.db.inOrg(world.org.id, (tx) =>
      tx.rows(
        sql`SELECT reason, touch_id FROM suppressions WHERE org_id = ${world.org.id} AND address = ${email}`,
      ),
    );
    expect(row).toEqual({ reason: 'unsubscribe', touch_id: touch });
  });

  test('[CON-4] is one transaction: with an error of the database nothing is done, and the page does not say so', async () => {
    const { token } = await recipient();
    const before = await everything();
    // The last thing of all that it writes.
    await asOwner(`
      CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
      CREATE TRIGGER broken BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION broken()`);
    try {
      const response = await fetch(`${world.url}/u/${token}`, { method: 'POST' });
      expect(response.status).toBe(500);
      expect(await response.text()).not.toContain('You are unsubscribed');
    } finally {
      await asOwner('DROP FUNCTION broken CASCADE');
    }
    expect(await everything()).toEqual(before);
    expect(world.logs.some((line) => JSON.stringify(line).includes('the disk is full'))).toBe(true);
    expect((await fetch(`${world.url}/u/${token}`, { method: 'POST' })).status).toBe(200);
  });

  test('[CON-5] pressing again says the same and writes nothing but its receipt', async () => {
    const { token, contact } = await recipient();
    const press = () => fetch(`${world.url}/u/${token}`, { method: 'POST' });
    const first = await (await press()).text();
    const counts = () =>
      world.db.inOrg(world.org.id, (tx) =>
        tx.one(sql`
          SELECT (SELECT count(*)::int FROM consents WHERE org_id = ${world.org.id} AND contact_id = ${contact}) AS consents,
                 (SELECT count(*)::int FROM audit_log WHERE org_id = ${world.org.id} AND subject_id = ${contact}) AS audit,
                 (SELECT count(*)::int FROM events WHERE org_id = ${world.org.id} AND contact_id = ${contact}) AS events`),
      );
    const after = await counts();
    expect(after).toMatchObject({ consents: 1, audit: 1 });
    const pages = await Promise.all(Array.from({ length: 5 }, async () => (await press()).text()));
    for (const page of pages) expect(page).toBe(first);
    expect(await counts()).toEqual(after);
  });
});

describe('looking at the link', () => {
  test.each(['GET', 'HEAD'])('[CON-5] a scanner’s %s changes nothing', async (method) => {
    const { token } = await recipient();
    const before = await everything();
    const response = await fetch(`${world.url}/u/${token}?utm_source=scanner&x=%00`, { method });
    expect(response.status).toBe(200);
    expect(await everything()).toEqual(before);
  });

  test('[CON-5] shows a masked address and one button, works without a script, in the dark, and is kept by nobody', async () => {
    const { token, email } = await recipient();
    const response = await fetch(`${world.url}/u/${token}`);
    const page = await response.text();
    expect(page).not.toContain(email);
    expect(page).toContain('<strong>p•••@e•••.com</strong>');
    expect(page.match(/<button/g)).toHaveLength(1);
    expect(page).toContain('<form method="post">');
    expect(page).toContain('lang="en"');
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).not.toContain('<script');
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'; style-src 'sha256-/);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    await fetch(`${world.url}/u/${token}`, { method: 'POST', body: 'from=page' });
    expect(await (await fetch(`${world.url}/u/${token}`)).text()).toContain('You are unsubscribed');
  });
});

describe('links that are not ours', () => {
  const others = async (): Promise<[string, string][]> => {
    const { token } = await recipient();
    const other = createOtherToken(token);
    return [
      ['altered', other],
      ['cut off', token.slice(0, 60)],
      ['added to', `${token}abc`],
      ['long', 'x'.repeat(2_000)],
      ['words', 'hello%20world'],
      ['unreadable', '%zz'],
      ['a NUL', '%00'],
    ];
  };

  test('[CON-5] get the same polite page with 200, and change nothing', async () => {
    const links = await others();
    const before = await everything();
    const pages = new Set<string>();
    const done = new Set<string>();
    for (const [what, token] of links) {
      const shown = await fetch(`${world.url}/u/${token}`);
      expect(shown.status, what).toBe(200);
      expect(shown.headers.get('content-type'), what).toContain('text/html');
      pages.add(await shown.text());
      const pressed = await fetch(`${world.url}/u/${token}`, {
        method: 'POST',
        body: 'List-Unsubscribe=One-Click',
      });
      expect(pressed.status, what).toBe(200);
      if (what !== 'unreadable') done.add(await pressed.text());
    }
    expect(pages.size).toBe(1);
    expect(done.size).toBe(1);
    expect([...done][0]).not.toContain('You are unsubscribed');
    expect(await everything()).toEqual(before);
  });

  test('[TEN-6] a token of a contact that is gone says no more than one of nobody', async () => {
    const token = world.deps.tokens.sign({
      org_id: world.org.id,
      contact_id: world.org.id,
      touch_id: world.org.id,
      channel: 'email',
    });
    const [gone, garbled] = await Promise.all(
      [token, 'nothing'].map(async (one) =>
        (await fetch(`${world.url}/u/${one}`, { method: 'POST' })).text(),
      ),
    );
    expect(gone).toBe(garbled);
  });
});

test('[CON-5] the token stands in no log line', async () => {
  const seen = world.logs.length;
  const { token } = await recipient();
  await fetch(`${world.url}/u/${token}`);
  await fetch(`${world.url}/u/${token}`, { method: 'POST' });
  const put = await fetch(`${world.url}/u/${token}`, { method: 'PUT' });
  expect(await put.text()).not.toContain(token);
  const { token: half, enrollment } = await recipient();
  await raw(`POST /u/${half} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfrom`);
  await until(async () => (await status(enrollment)) === 'unsubscribed', 'half a request counts too');
  const lines = JSON.stringify(world.logs.slice(seen));
  expect(lines).toContain('/u/:token');
  for (const one of [token, half]) expect(lines.includes(one)).toBe(false);
});

/** One character of the signature another. */
function createOtherToken(token: string): string {
  const at = token.length - 10;
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
}

/** Half a request, and gone. */
function raw(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
    socket.on('connect', () => socket.end(text));
    socket.on('close', () => resolve());
    socket.on('error', reject);
    socket.resume();
  });
}
