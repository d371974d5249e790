/** `enroll`, `pause`, `resume`, `stop`, `why`, `reconcile`: words in, exit code and text out. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { commandLine } from '../support/command-line.ts';
import { AMBIGUOUS, answered, letGo } from '../support/flight.ts';
import { makeContacts, makeSender, makeSequence } from '../support/outreach.ts';
import { setup, type World } from './world.ts';

let world: World;
let sender: Uuid;
const { dir, cadenza } = commandLine(() => world);

beforeAll(async () => {
  world = await setup();
  sender = await makeSender(world.db, world.org.id);
});
afterAll(() => world?.close());

const sequence = () => makeSequence(world.db, world.org.id, sender);
const contacts = (count: number, given = {}) => makeContacts(world.db, world.org.id, count, given);

async function enrolled(): Promise<{ enrollment: Uuid; touch: Uuid }> {
  const [contact_id] = await contacts(1);
  const { body } = await world.call('POST', '/api/outreach/enrollments', {
    body: { sequence_id: await sequence(), contact_id },
  });
  return { enrollment: body.enrollment_id, touch: body.enrollment.live_touch };
}

describe('enroll', () => {
  test('[DUE-1] names who does the steps of people, by address', async () => {
    const id = await sequence();
    const [one, other] = await contacts(2);
    const member = { email: 'bea@own.example', name: 'Bea', role: 'member' };
    const bea = (await world.call('POST', '/api/members', { body: member })).body.id;
    const named = await cadenza('enroll', id, '--contacts', one!, '--assignee', 'Bea@own.example');
    expect(named).toMatchObject({ code: 0 });
    const { body } = await world.call('GET', `/api/outreach/enrollments?contact_id=${one}`);
    expect(body.items).toMatchObject([{ assignee_id: bea }]);
    const stranger = await cadenza('enroll', id, '--contacts', other!, '--assignee', 'no@own.example');
    expect(stranger.code).not.toBe(0);
  });

  test('[SEQ-10] by id and address, from a file, and by tag; says who was not and why', async () => {
    const id = await sequence();
    const people = await contacts(5);
    const [noAddress] = await contacts(1, { email: null });
    const { email } = await world.db.inOrg(world.org.id, (tx) =>
      tx.one(sql`SELECT email FROM contacts WHERE org_id = ${world.org.id} AND id = ${people[0]}`),
    );
    const first = await cadenza(
      'enroll',
      id,
      '--contacts',
      `${email.toUpperCase()},${people[1]},${noAddress}`,
      '--json',
    );
    expect(first).toMatchObject({
      code: 0,
      json: {
        enrolled: 2,
        refused: 1,
        results: [{}, {}, { contact_id: noAddress, reason: 'no_address' }],
      },
    });
    const file = join(dir, 'people.txt');
    writeFileSync(file, `${people.slice(0, 3).join('\n')}\n`);
    const second = await cadenza('enroll', id, '--file', file);
    expect(second.out).toContain('1 enrolled, 2 skipped, 0 refused');
    expect(second.out).toContain('already_enrolled');
    await contacts(4, { tag: 'fair' });
    expect((await cadenza('enroll', id, '--tag', 'fair', '--json')).json).toMatchObject({
      status: 'completed',
      enrolled: 4,
    });
    const again = await cadenza('enroll', id, '--tag', 'fair', '--policy', 'restart', '--json');
    expect(again.json).toMatchObject({ enrolled: 4, skipped: 0 });
    const rows = await world.db.inOrg(world.org.id, (tx) =>
      tx.rows(
        sql`SELECT enrolled_by FROM enrollments WHERE org_id = ${world.org.id} AND sequence_id = ${id}`,
      ),
    );
    expect(rows).toHaveLength(7);
    for (const row of rows) expect(row.enrolled_by).toMatch(/^system:cli:/);
  });

  test('a tag that nobody has is said to be one', async () => {
    const id = await sequence();
    const none = await cadenza('enroll', id, '--tag', 'unheard-of');
    expect([none.code, none.out]).toEqual([0, expect.stringContaining('nobody has the tag unheard-of')]);
    const { json } = await cadenza('enroll', id, '--tag', 'unheard-of', '--json');
    expect(json).toMatchObject({ status: 'completed', total: 0, enrolled: 0 });
  });

  test('a malformed touch id is told where touch ids are found', async () => {
    const wrong = await cadenza('why', 'my-touch');
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('`npx cadenza touches`') });
    expect(wrong.err).toContain('`touch_id`');
  });

  test('exit codes mean something', async () => {
    const id = await sequence();
    expect((await cadenza('enroll', id)).code).toBe(2);
    expect((await cadenza('enroll', id, '--tag', 'x', '--policy', 'always')).code).toBe(2);
    expect((await cadenza('enroll', 'no-id', '--tag', 'x')).code).toBe(2);
    expect((await cadenza('enroll', sender, '--tag', 'x')).code).toBe(3);
    expect((await cadenza('enroll', id, '--contacts', 'nobody@example.com')).code).toBe(3);
  });
});

describe('pause, resume, stop', () => {
  test('[SEQ-6] [SEQ-7] [EXE-1] of an enrollment, with its receipt', async () => {
    const { enrollment } = await enrolled();
    const paused = await cadenza('pause', 'enrollment', enrollment, '--reason', 'by hand', '--json');
    expect(paused.json).toMatchObject({
      enrollment: { status: 'paused', status_reason: 'by hand' },
      receipt: { not_started: 1, in_flight: [], drained: true },
    });
    expect((await cadenza('resume', enrollment)).out).toContain('goes on');
    const stopped = await cadenza('stop', 'enrollment', enrollment);
    expect(stopped.out).toContain('1 planned, now cancelled. Nothing was in flight.');
    const twice = await cadenza('stop', 'enrollment', enrollment);
    expect(twice).toMatchObject({ code: 3, err: expect.stringContaining('unenrolled') });
  });

  test.each(['sequence', 'sender', 'channel', 'organization'])('[EXE-15] of a %s, and back', async (what) => {
    const { touch } = await enrolled();
    const { body } = await world.call('GET', `/api/touches/${touch}`);
    const ids: Record<string, string[]> = {
      sequence: [body.touch.sequence_id],
      sender: [body.touch.sender_id],
      channel: ['email'],
      organization: [],
    };
    const runway = { db: world.db, versions: world.deps.versions, org: world.org.id };
    const stopped = await cadenza('stop', what, ...ids[what]!, '--wait', '1s', '--json');
    expect(stopped).toMatchObject({ code: 0, json: { receipt: { subject_type: what, status: 'paused' } } });
    expect((await letGo(runway, touch)).verdict).toBe(`${what}_paused`);
    expect((await cadenza('resume', what, ...ids[what]!)).code).toBe(0);
    expect((await letGo(runway, touch)).verdict).toBe('go');
  });

  test('[EXE-1] what is in flight is listed', async () => {
    const { enrollment, touch } = await enrolled();
    await letGo({ db: world.db, versions: world.deps.versions, org: world.org.id }, touch);
    const { out } = await cadenza('pause', 'enrollment', enrollment);
    expect(out).toContain(`In flight then, with what became of it:\n  ${touch}  sending`);
  });

  test('wrong words are told apart from refusals', async () => {
    for (const words of [['mailbox', 'x'], ['sequence'], ['sequence', 'x'], ['organization', 'x']])
      expect((await cadenza('pause', ...words)).code, words.join(' ')).toBe(2);
    expect((await cadenza('pause', 'channel', 'pigeon')).code).toBe(3);
    expect((await cadenza('pause', 'sequence', world.org.id)).code).toBe(3);
  });
});

describe('touches and enrollments', () => {
  test('[EXE-14] are listed page by page, with filters, for people in a zone that is named', async () => {
    const id = await sequence();
    const people = await contacts(3);
    await cadenza('enroll', id, '--contacts', people.join(','));
    const first = (await cadenza('enrollments', '--sequence', id, '--limit', '2', '--json')).json;
    expect(first.items).toHaveLength(2);
    const rest = await cadenza('enrollments', '--sequence', id, '--cursor', first.next_cursor, '--json');
    expect(rest.json).toMatchObject({ items: [{ sequence_id: id }], next_cursor: null });
    const all = [...first.items, ...rest.json.items];
    expect(new Set(all.map((one) => one.contact_id))).toEqual(new Set(people));

    const [one] = all;
    const byContact = await cadenza('touches', '--contact', one.contact_id, '--state', 'planned', '--json');
    expect(byContact.json.items).toMatchObject([{ id: one.live_touch, state: 'planned' }]);
    const page = (await cadenza('touches', '--sequence', id, '--limit', '1', '--json')).json;
    const next = await cadenza('touches', '--sequence', id, '--cursor', page.next_cursor, '--json');
    expect(next.json.items).toHaveLength(2);

    const table = await cadenza('touches', '--enrollment', one.id, '--time-zone', 'Asia/Tokyo');
    expect(table.out).toMatch(/^TOUCH +STATE +WHEN /);
    const due = new Date(one.due_at).toLocaleString('sv-SE', { timeZone: 'Asia/Tokyo' });
    expect(table.out).toContain(due);
    expect(table.out).toContain('Times are Asia/Tokyo.');
    const shown = await cadenza('enrollments', 'show', one.id);
    expect(shown.out).toContain(`Enrollment ${one.id}: active`);
    expect(shown.out).toContain(one.live_touch);
    expect(shown.out).toMatch(/Times are UTC\.$/);
    expect((await cadenza('enrollments', 'show', one.id, '--json')).json.touches).toHaveLength(1);
    const human = await cadenza('enrollments', '--sequence', id, '--limit', '1');
    expect(human.out).toContain('There are more: the same with --cursor ');
  });

  test('[OPS-6] a cursor of the other list, an unknown state, a zone that is none: refused with the reason', async () => {
    const id = await sequence();
    await cadenza('enroll', id, '--contacts', (await contacts(2)).join(','));
    const { next_cursor } = (await cadenza('enrollments', '--limit', '1', '--json')).json;
    const other = await cadenza('touches', '--cursor', next_cursor);
    expect([other.code, other.err]).toEqual([3, expect.stringContaining('not one of this list')]);
    for (const words of [
      ['touches', '--state', 'lost'],
      ['touches', '--time-zone', 'Mars/Olympus'],
      ['enrollments', '--limit', '0'],
      ['enrollments', '--status', 'lost'],
      ['enrollments', 'show', 'x'],
    ])
      expect((await cadenza(...words)).code, words.join(' ')).toBe(2);
    expect((await cadenza('touches', '--sender', id)).code).toBe(3);
    expect((await cadenza('enrollments', 'show', id)).code).toBe(3);
  });

  test('[OPS-3] a group of commands says what it has, and ends well', async () => {
    const group = await main(['keys', '--help'], {}, { out: (text) => said.push(text), err() {} });
    expect(group).toBe(0);
    expect(said.join()).toMatch(/keys create .*keys list .*keys revoke /s);
    said.length = 0;
    expect(await main(['help', 'enrollments'], {}, { out: (text) => said.push(text), err() {} })).toBe(0);
    expect(said.join()).toContain('enrollments show');
  });
});

const said: string[] = [];

describe('why and reconcile', () => {
  test('[EXE-14] [TEN-5] a touch that nobody knows about is listed, explained, and resolved', async () => {
    const { touch } = await enrolled();
    const runway = { db: world.db, versions: world.deps.versions, org: world.org.id };
    const flight = await letGo(runway, touch, { soon: true });
    await answered(runway, flight, AMBIGUOUS);
    expect((await cadenza('reconcile')).out).toBe('Nothing waits for a person.');
    await world.db.call(sql`
      SELECT reconcile_note(${world.org.id}::uuid, 'worker:test', ${[touch]}::uuid[], ${[flight.token]}::uuid[], ${[null]}::timestamptz[], ${[0]}::int[],
        ${[true]}::boolean[], ${['no_proof_possible']}::text[], ${[false]}::boolean[], ${[null]}::timestamptz[])`);
    expect((await cadenza('reconcile', '--json')).json.items).toMatchObject([
      { id: touch, state: 'unknown' },
    ]);

    const why = await cadenza('why', touch);
    expect(why.code).toBe(0);
    for (const part of [
      `Touch ${touch}: unknown`,
      'step 1 of Test, version 1: email',
      'Gate 1',
      'connection_lost',
      'needs_review',
      'Next       review',
    ])
      expect(why.out).toContain(part);
    expect((await cadenza('why', touch, '--json')).json.next.kind).toBe('review');

    expect((await cadenza('reconcile', touch)).code).toBe(2);
    const done = await cadenza('reconcile', touch, '--outcome', 'sent', '--note', 'they answered');
    expect(done.out).toContain('is sent. Next: Step 2 of its sequence');
    expect((await cadenza('reconcile', touch, '--outcome', 'sent')).code).toBe(3);
    const { body } = await world.call('GET', `/api/audit?subject_id=${touch}`);
    expect(body.items[0]).toMatchObject({
      action: 'touch.resolve',
      actor_type: 'system',
      data: { note: 'they answered' },
    });
  });
});
