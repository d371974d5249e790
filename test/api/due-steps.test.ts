/** Reading what waits for people, over HTTP and on the command line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { sql } from '../../src/db/sql.ts';
import { dueRows } from '../../src/dispatch/people/due-rows.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { CALL, DUE, type DueWorld, dueWorld, EMAIL, FOLLOW_UP, LINKEDIN, TASK } from '../support/due.ts';

let world: DueWorld;
beforeAll(async () => {
  world = await dueWorld();
});
afterAll(() => world?.close());

const DAY = 86_400_000;
const list = async (query = '') => (await world.call('GET', `${DUE}?${query}`)).body;
const idsOf = (body: { items: { id: Uuid }[] }) => body.items.map((item) => item.id);
/** Noon of the day so many days from today, UTC: the organization's zone. */
const noon = (days: number) => new Date(Math.floor(Date.now() / DAY) * DAY + days * DAY + DAY / 2);

describe('[DUE-1] the list', () => {
  test('has each with its contact, its text, and the way there; workers’ touches are not in it', async () => {
    const sequence = await world.sequence([CALL, FOLLOW_UP]);
    const contact = await world.contact();
    const { touch, enrollment } = await world.enroll(sequence, contact);
    await world.enroll(await world.sequence([FOLLOW_UP]), contact);
    const { items } = await list(`sequence_id=${sequence}`);
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      id: touch,
      bucket: 'today',
      state: 'planned',
      blocked: null,
      enrollment_id: enrollment,
      enrollment_status: 'active',
      sequence: { id: sequence, name: 'Test' },
      step: { no: 0 },
      channel: 'call',
      contact: { id: contact, first_name: 'Ada', company: 'Analytical Engines' },
      sender: null,
      assignee_id: null,
      draft: { text: 'Ask Ada about Thursday', source: 'template', problem: null },
      editable: ['text'],
      copy_text: 'Ask Ada about Thursday',
    });
    expect(items[0].link).toBe(`tel:${items[0].contact.phone}`);
    const everything = await list('limit=200');
    expect(everything.items.every((item: { channel: string }) => item.channel === 'call')).toBe(true);
  });

  test('shows an e-mail without the footer that it will get, a profile to open, and a task', async () => {
    const mail = await world.waiting([EMAIL]);
    const profile = await world.waiting([LINKEDIN]);
    const task = await world.waiting([TASK]);
    const read = async (id: Uuid) => (await world.call('GET', `${DUE}/${id}`)).body;
    expect(await read(mail.touch)).toMatchObject({
      draft: { subject: 'Hello Ada', text: 'You work at Analytical Engines.', html: null },
      editable: ['subject', 'text', 'html'],
      sender: { id: world.sender, from: 'test@example.com' },
      link: null,
      copy_text: null,
    });
    expect(await read(profile.touch)).toMatchObject({
      link: 'https://www.linkedin.com/in/ada',
      copy_text: 'Hi Ada!',
    });
    expect(await read(task.touch)).toMatchObject({
      link: null,
      to: null,
      copy_text: 'Look Analytical Engines up',
    });
  });

  test('says why a step cannot go, instead of failing', async () => {
    const broken = await world.waiting([{ ...EMAIL, body_text: '{{ contact.attributes.gone }}!' }]);
    const { body } = await world.call('GET', `${DUE}/${broken.touch}`);
    expect(body.draft).toMatchObject({ text: null, problem: { code: 'missing_variable' } });
  });

  test('says what stops a step, as the gate would', async () => {
    const { touch, sequence } = await world.waiting([CALL]);
    await world.post(`/api/outreach/sequences/${sequence}/pause`);
    expect((await world.call('GET', `${DUE}/${touch}`)).body.blocked).toBe('sequence_paused');
    await world.post(`/api/outreach/sequences/${sequence}/resume`);
    expect((await world.call('GET', `${DUE}/${touch}`)).body.blocked).toBeNull();
  });

  test('has buckets by the viewer’s days with their counts; the stale lie apart', async () => {
    const sequence = await world.sequence([CALL]);
    const at = async (when: Date) => {
      const { touch } = await world.enroll(sequence, await world.contact());
      await world.dueAt(touch, when);
      return touch;
    };
    const stale = await at(noon(-31));
    const old = await at(noon(-30));
    const yesterday = await at(noon(-1));
    const today = await at(noon(0));
    const tomorrow = await at(noon(1));
    const of = (query: string) => list(`sequence_id=${sequence}&${query}`);
    expect(idsOf(await of(''))).toEqual([old, yesterday, today, tomorrow]);
    expect(idsOf(await of('bucket=stale'))).toEqual([stale]);
    expect(idsOf(await of('bucket=overdue'))).toEqual([old, yesterday]);
    expect(idsOf(await of('bucket=today'))).toEqual([today]);
    const upcoming = await of('bucket=upcoming');
    expect(idsOf(upcoming)).toEqual([tomorrow]);
    expect(upcoming.counts).toEqual({ stale: 1, overdue: 2, today: 1, upcoming: 1 });
    expect(upcoming).toMatchObject({ time_zone: 'UTC', day: new Date().toISOString().slice(0, 10) });
    // Fourteen hours ahead, noon of today is 02:00 of the next day; twelve hours behind it is 00:00 of the same day.
    const ahead = await of('bucket=today&time_zone=Pacific/Kiritimati');
    const kiritimati = new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10);
    expect(ahead.day).toBe(kiritimati);
    const sameDay = kiritimati === new Date().toISOString().slice(0, 10);
    expect(idsOf(ahead)).toEqual(sameDay ? [yesterday] : [today]);
  });

  test('pages by cursor, each once, also where many fall due at one moment', async () => {
    const sequence = await world.sequence([CALL]);
    const touches: Uuid[] = [];
    for (let i = 0; i < 7; i++) touches.push((await world.enroll(sequence, await world.contact())).touch);
    for (const touch of touches) await world.dueAt(touch, noon(0));
    const seen: Uuid[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await list(`sequence_id=${sequence}&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...idsOf(page));
      expect(page.items.length).toBeLessThanOrEqual(3);
      cursor = page.next_cursor;
    }
    expect(seen).toEqual([...touches].sort());
  });

  test('is filtered by channel and by whose they are', async () => {
    const call = await world.waiting([CALL]);
    const task = await world.waiting([TASK]);
    const member = (
      await world.post('/api/members', { email: 'ann@example.org', name: 'Ann', role: 'member' })
    ).body.id;
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(
        sql`UPDATE enrollments SET assignee_id = ${member} WHERE org_id = ${world.org.id} AND id = ${call.enrollment}`,
      ),
    );
    const hers = await list(`assignee=${member}`);
    expect(idsOf(hers)).toEqual([call.touch]);
    expect(hers.counts).toEqual({ stale: 0, overdue: 0, today: 1, upcoming: 0 });
    const nobodys = idsOf(await list('assignee=none&limit=200'));
    expect(nobodys).toContain(task.touch);
    expect(nobodys).not.toContain(call.touch);
    expect(idsOf(await list('channel=task&limit=200'))).toContain(task.touch);
    expect(idsOf(await list('channel=task&limit=200'))).not.toContain(call.touch);
    expect(await world.call('GET', `${DUE}?mine=true`)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'mine', code: 'no_member' }] },
    });
  });

  test('[TEN-1] is of one’s own organization alone', async () => {
    const { touch } = await world.waiting([CALL]);
    const key = world.other.key;
    expect((await world.call('GET', DUE, { key })).body.items).toEqual([]);
    expect((await world.call('GET', `${DUE}/${touch}`, { key })).status).toBe(404);
    expect((await world.call('GET', `${DUE}/${newId()}`)).status).toBe(404);
  });

  test.each([
    ['all', {}, 'touches_human'],
    ['one member’s', { assignee: newId() }, 'enrollments_assigned'],
  ])('of %s is read from an index that holds little else', async (_what, filter, index) => {
    const plan = await world.db.inOrg(world.org.id, async (tx) => {
      await tx.run(sql`SET LOCAL enable_seqscan = off`);
      const statement = dueRows(world.org.id, filter, { from: Date.now() - DAY, to: Date.now() }, null, 51);
      const rows = await tx.rows<Record<string, string>>(sql`EXPLAIN ${statement}`);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
    expect(plan).toContain(index);
    expect(plan).not.toContain('Seq Scan');
  });
});

describe('[DUE-1] cadenza due', () => {
  test('says the counts and a line each; refuses what is no bucket', async () => {
    const { touch, sequence } = await world.waiting([CALL]);
    const dir = mkdtempSync(join(tmpdir(), 'cadenza-cli-'));
    const cadenza = async (...words: string[]) => {
      const out: string[] = [];
      const err: string[] = [];
      const env = { APP_DATABASE_URL: world.db.url, CADENZA_DATA: dir, CADENZA_SECRET: world.secret };
      const sinks = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
      const code = await main(['due', '--sequence', sequence, ...words, '--org', world.org.id], env, sinks);
      return { code, out: out.join('\n'), err: err.join('\n') };
    };
    try {
      const told = await cadenza();
      expect(told.out).toContain('0 overdue, 1 today, 0 upcoming, 0 stale');
      expect(told.out).toContain(touch);
      expect(told.out).toContain('Ada Byron  tel:+1415555');
      const json = JSON.parse((await cadenza('--json', '--bucket', 'today')).out);
      expect(json.items[0].draft.text).toBe('Ask Ada about Thursday');
      expect(await cadenza('--bucket', 'soon')).toMatchObject({ code: 2 });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
