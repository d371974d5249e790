import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cancelImport, getImport } from '../../src/contacts/import/import.ts';
import { runImport } from '../../src/contacts/import/run.ts';
import { startImport } from '../../src/contacts/import/start.ts';
import { uploadImport } from '../../src/contacts/import/upload.ts';
import { sql } from '../../src/db/sql.ts';
import type { Context } from '../../src/tenancy/context.ts';
import { type ContactsWorld, contactsWorld, inPieces } from '../support/contacts.ts';

const CHILD = fileURLToPath(new URL('../support/import-process.ts', import.meta.url));
const LOADER = new URL('../../scripts/generate/load-typescript.mjs', import.meta.url).href;
const BATCH = 200;

let world: ContactsWorld;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  world = await contactsWorld();
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
});
afterAll(() => world.close());

/** A seeded generator: the same numbers for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** New people, the same again near and far, rows without address, names over several lines, two bytes and four. */
function file(rows: number, next: () => number): Buffer {
  let csv = 'Email,First Name,Last Name,Phone,Tags\n';
  for (let n = 0; n < rows; n++) {
    const dice = next();
    const who = dice < 0.1 ? Math.floor(next() * n) : n;
    const email = dice > 0.95 ? 'nobody' : `person${who}@example.com`;
    const name = dice < 0.3 ? '"Ana\nMaría 😀"' : 'Jürgen';
    csv += `${email},${name},Row ${n},${dice > 0.9 ? 'call me' : `+49301${100000 + n}`},"all;group ${n % 3}"\n`;
  }
  return Buffer.from(csv);
}

async function prepare(ctx: Context, bytes: Buffer): Promise<string> {
  const { id } = await uploadImport(world.db, ctx, {
    filename: 'people.csv',
    source: inPieces(bytes, 100_003),
  });
  await startImport(world.db, ctx, { import_id: id, queue: false, tags: ['imported'] });
  return id;
}

/** A process on its way, with the lines it has printed. */
function start(ctx: Context, id: string) {
  const child = spawn(process.execPath, ['--import', LOADER, CHILD, world.url, ctx.org, id, String(BATCH)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'exit').then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  return { child, lines, ended, errors: () => errors };
}

/** Everything the import left, but for ids and times. */
async function traces(ctx: Context, id: string) {
  const { counts, status, next_byte, bytes } = await getImport(world.db, ctx, id);
  const read = (statement: ReturnType<typeof sql>) => world.db.inOrg(ctx.org, (tx) => tx.rows(statement));
  const contacts = await read(sql`SELECT email, last_name, phone,
    ARRAY(SELECT tag FROM contact_tags t WHERE t.org_id = c.org_id AND t.contact_id = c.id ORDER BY tag) AS tags
    FROM contacts c WHERE org_id = ${ctx.org} ORDER BY email`);
  const errors = await read(sql`SELECT row_number, n, severity, code, raw FROM import_errors
    WHERE org_id = ${ctx.org} AND import_id = ${id} ORDER BY row_number, n`);
  const chunks = await read(sql`SELECT n FROM import_chunks WHERE org_id = ${ctx.org} AND import_id = ${id}`);
  return { counts, status, unread: bytes - next_byte, contacts, errors, chunks };
}

describe('an import that is killed', () => {
  it('[CON-1] goes on where it was, again and again, and leaves what an undisturbed one leaves', async () => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
    const next = random(seed);
    const bytes = file(12_000, next);
    const calm = await world.newOrg();
    const expected = await prepare(calm, bytes);
    await runImport(world.db, calm, expected, { batchRows: 777 });

    const ctx = await world.newOrg();
    const id = await prepare(ctx, bytes);
    let kills = 0;
    for (let ended = false; !ended; ) {
      const { child, lines, ended: exit, errors } = start(ctx, id);
      // After some batches, and then anywhere within the next.
      const batches = 1 + Math.floor(next() * 9);
      let last = '';
      for (let seen = 0; seen < batches; seen++) {
        const line = await lines.next();
        if (line.done) break;
        last = line.value;
      }
      await delay(next() * 40);
      child.kill('SIGKILL');
      const code = await exit;
      ended = last === 'completed' || code === 0;
      if (!ended) {
        expect(errors(), `seed ${seed}`).toBe('');
        kills += 1;
      }
    }
    expect(kills, `seed ${seed}`).toBeGreaterThan(5);
    const left = await traces(ctx, id);
    expect(left.status, `seed ${seed}`).toBe('completed');
    expect(left, `seed ${seed}`).toEqual(await traces(calm, expected));
    expect(left.counts.rows).toBe(12_000);
    expect(left.chunks).toEqual([]);
  }, 300_000);

  it('[CON-1] is carried out once when several processes go on with it', async () => {
    const bytes = file(6_000, random(7));
    const calm = await world.newOrg();
    const expected = await prepare(calm, bytes);
    await runImport(world.db, calm, expected);
    const ctx = await world.newOrg();
    const id = await prepare(ctx, bytes);
    const all = [start(ctx, id), start(ctx, id), start(ctx, id)];
    await Promise.all(
      all.map(async ({ lines }) => {
        while (!(await lines.next()).done);
      }),
    );
    for (const { ended, errors } of all) expect([await ended, errors()]).toEqual([0, '']);
    expect(await traces(ctx, id)).toEqual(await traces(calm, expected));
  }, 120_000);

  it('[CON-1] and one that is cancelled writes nothing more, and keeps what it wrote', async () => {
    const ctx = await world.newOrg();
    const id = await prepare(ctx, file(20_000, random(9)));
    const { lines, ended } = start(ctx, id);
    await lines.next();
    const cancelled = await cancelImport(world.db, ctx, id);
    expect(cancelled.status).toBe('cancelled');
    const { contacts } = await traces(ctx, id);
    while (!(await lines.next()).done);
    expect(await ended).toBe(0);
    const after = await traces(ctx, id);
    expect(after.contacts.length).toBe(contacts.length);
    expect(after.counts.created).toBe(contacts.length);
    expect(contacts.length).toBeGreaterThan(0);
    expect(after.chunks).toEqual([]);
    expect((await cancelImport(world.db, ctx, id)).status).toBe('cancelled');
  }, 120_000);
});
