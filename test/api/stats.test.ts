/** Numbers that add up, whatever happened; each part opens exactly its rows; and what is lost is seen. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/db/database.ts';
import { type Sql, sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import type { Part, SequenceStats, Stats } from '../../src/plan/sequences/stats.ts';
import { RecordingProvider } from '../support/engine.ts';
import { makeContacts, makeSender, makeSequence } from '../support/outreach.ts';
import { setup, type World } from './world.ts';

let world: World;
let sequences: Uuid[];
let owner: Database;

beforeAll(async () => {
  world = await setup();
  owner = new Database({ url: world.ownerUrl, max: 1 });
  const { db, org } = world;
  const sender = await makeSender(db, org.id);
  sequences = [await makeSequence(db, org.id, sender), await makeSequence(db, org.id, sender)];
  for (const sequence of sequences) await live(sequence, await makeContacts(db, org.id, 42));
});
afterAll(async () => {
  await owner?.close();
  await world?.close();
});

/** Sent, refused for good and for now, unknown, paused, resumed, advanced, restarted, unenrolled: of each some. */
async function live(sequence: Uuid, contacts: readonly Uuid[]): Promise<void> {
  const results = await enrollContacts(world.db, world.deps.versions, world.org.caller, {
    sequence_id: sequence,
    contact_ids: contacts,
  });
  const enrollments = results.map((result) => result.enrollment_id!);
  const act = async (from: number, to: number, action: string) => {
    for (const id of enrollments.slice(from, to)) {
      const { status, text } = await world.call('PATCH', `/api/outreach/enrollments/${id}`, {
        body: { action },
      });
      expect(status, `${action} ${text}`).toBe(200);
    }
  };
  await act(0, 6, 'pause');
  await act(3, 6, 'resume');
  await act(6, 9, 'unenroll');
  await act(9, 12, 'advance');
  await act(12, 14, 'restart');
  const provider = new RecordingProvider();
  let calls = 0;
  provider.answer = () => {
    calls++;
    if (calls % 5 === 0) return { kind: 'refused', permanence: 'permanent', reason: 'mailbox_unknown' };
    if (calls % 7 === 0) return { kind: 'refused', permanence: 'transient', reason: 'greylisted' };
    return calls % 11 === 0 ? { kind: 'ambiguous', reason: 'timeout' } : { kind: 'accepted' };
  };
  const engine = { ...world.deps.engine, connect: () => provider };
  const lane = { org: world.org.id, shard: 0, token: newId(), careful: false, suspect: null };
  await deliver(engine, lane, { stop: () => calls > 25, settled: () => undefined });
  await act(0, 2, 'resume');
}

const stats = async <S extends Stats>(path: string): Promise<S> => {
  const { status, body, text } = await world.call('GET', path);
  expect(status, text).toBe(200);
  return body;
};
const ofSequence = (id: Uuid) => stats<SequenceStats>(`/api/outreach/sequences/${id}/stats`);
const ofAll = () => stats<Stats>('/api/outreach/stats');
const sum = (parts: readonly { count: number }[]) => parts.reduce((all, { count }) => all + count, 0);

interface Listed {
  id: Uuid;
  state?: string;
  status?: string;
}

/** Every row of a part, page by page. */
async function rowsOf(path: string, limit: number): Promise<Listed[]> {
  const rows: Listed[] = [];
  let cursor = '';
  for (let page = 0; page < 200; page++) {
    const { status, body, text } = await world.call('GET', `${path}&limit=${limit}${cursor}`);
    expect(status, `${path} ${text}`).toBe(200);
    rows.push(...body.items);
    if (body.next_cursor === null) return rows;
    cursor = `&cursor=${body.next_cursor}`;
  }
  throw new Error(`${path} does not end`);
}

async function expectRows(parts: readonly Part<string>[]): Promise<void> {
  for (const { state, count, rows } of parts) {
    const listed = await rowsOf(rows, 3);
    expect(new Set(listed.map((row) => row.id)).size, rows).toBe(count);
    expect(listed, rows).toHaveLength(count);
    for (const row of listed) expect(row.state ?? row.status).toBe(state);
  }
}

/** Something that must not be is done, looked at, and undone. */
async function planted(statement: Sql, look: () => Promise<void>): Promise<void> {
  await owner.call(sql`CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM touches WHERE false`);
  await owner.call(sql`INSERT INTO kept SELECT * FROM touches WHERE org_id = ${world.org.id}::uuid`);
  await owner.call(statement);
  await look();
  await owner.call(sql`DELETE FROM touches WHERE org_id = ${world.org.id}::uuid`);
  await owner.call(sql`INSERT INTO touches SELECT * FROM kept`);
  await owner.call(sql`DROP TABLE kept`);
}

describe('conservation', () => {
  it('[I3] the parts of a sequence are all there is, and the other count agrees', async () => {
    for (const id of sequences) {
      const told = await ofSequence(id);
      expect(told.balanced).toBe(true);
      expect(told.balance.created).toBe(told.touches.total);
      expect(told.balance.enrolled).toBe(told.enrollments.total);
      expect(sum(told.parts)).toBe(told.touches.total);
      expect(sum(told.enrollment_parts)).toBe(42);
      expect(told.steps.every((step) => step.balanced)).toBe(true);
      expect(sum(told.steps.flatMap((step) => step.parts))).toBe(told.touches.total);
      const { waiting, sent, failed, skipped, cancelled, total } = told.touches;
      expect(sent + failed + skipped + cancelled + waiting).toBe(total);
      for (const n of [waiting, sent, failed, skipped, cancelled]) expect(n).toBeGreaterThan(0);
    }
  });

  it('[I3] the organization is its sequences together', async () => {
    const [a, b] = [await ofSequence(sequences[0]!), await ofSequence(sequences[1]!)];
    const all = await ofAll();
    expect(all.balanced).toBe(true);
    expect(all.touches.total).toBe(a.touches.total + b.touches.total);
    expect(all.balance.created).toBe(a.balance.created + b.balance.created);
    expect(all.enrollments.total).toBe(84);
  });

  it('[I3] each part opens exactly its rows', async () => {
    const told = await ofSequence(sequences[0]!);
    await expectRows([...told.parts, ...told.enrollment_parts, ...told.steps.flatMap((step) => step.parts)]);
    const all = await ofAll();
    await expectRows([...all.parts, ...all.enrollment_parts]);
  });

  it('[TEN-1] [I3] another organization counts nothing of it', async () => {
    const { key } = world.other;
    expect((await world.call('GET', `/api/outreach/sequences/${sequences[0]}/stats`, { key })).status).toBe(
      404,
    );
    expect((await world.call('GET', '/api/outreach/stats', { key })).body).toMatchObject({
      touches: { total: 0 },
      balanced: true,
    });
    const { parts } = await ofSequence(sequences[0]!);
    expect((await world.call('GET', parts[0]!.rows, { key })).body).toEqual({ items: [], next_cursor: null });
  });

  const id = () => sequences[0]!;
  it.each<[string, () => Sql]>([
    [
      'a touch that was sent and is gone',
      () =>
        sql`DELETE FROM touches WHERE id = (SELECT id FROM touches WHERE sequence_id = ${id()}::uuid AND state = 'sent' LIMIT 1)`,
    ],
    [
      'a touch that an enrollment waits for and is gone',
      () => sql`DELETE FROM touches WHERE id = (SELECT t.id FROM touches t JOIN enrollments e ON e.live_touch = t.id
        WHERE t.sequence_id = ${id()}::uuid AND t.state = 'planned' AND e.status = 'active' LIMIT 1)`,
    ],
    [
      'a touch whose end nobody told',
      () =>
        sql`UPDATE touches SET state = 'skipped' WHERE id = (SELECT id FROM touches WHERE sequence_id = ${id()}::uuid AND state = 'sent' LIMIT 1)`,
    ],
    [
      'a touch that nobody waits for',
      () => sql`INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id, channel, mode, state, live, not_before, settled_at, planned_by)
        SELECT org_id, (left(id::text, 24) || right(md5(id::text), 12))::uuid, source_id, sequence_id, version_id, step_id, step_no, generation, 9, contact_id, sender_id, channel, mode, 'failed', false, now(), now(), 'x'
          FROM touches WHERE sequence_id = ${id()}::uuid AND state = 'sent' LIMIT 1`,
    ],
  ])('[I3] is not balanced by %s', async (_, statement) => {
    await planted(statement(), async () => {
      expect((await ofSequence(id())).balanced).toBe(false);
      expect((await ofAll()).balanced).toBe(false);
      expect((await ofSequence(sequences[1]!)).balanced).toBe(true);
    });
    expect((await ofSequence(id())).balanced).toBe(true);
  });
});
