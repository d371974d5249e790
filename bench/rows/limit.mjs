/**
 * Row L: the raw limit. Claim, settle, event and next touch as two bare set-based statements, with no gate, no
 * composing and no provider. Nothing that keeps such a ledger in PostgreSQL can be faster here.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

const BATCH = 500;
const CONNECTIONS = 2;
const SCHEMA = readFileSync(join(import.meta.dirname, 'limit.sql'), 'utf8');

const CLAIM = `
UPDATE touches t SET status = 'leased', lease_token = $1, lease_until = now() + interval '60s',
       attempts = attempts + 1, updated_at = now()
 WHERE t.id = ANY(ARRAY(SELECT id FROM touches WHERE status = 'pending' AND due_at <= now()
                         ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED))
RETURNING t.id, t.org_id, t.enrollment_id, t.step, t.channel, t.attempts, t.payload`;

const SETTLE = `
WITH r AS (SELECT * FROM unnest($2::bigint[], $3::text[]) u(id, pid)),
 s AS (UPDATE touches t SET status = 'sent', provider_id = r.pid, lease_token = NULL, lease_until = NULL,
              updated_at = now()
         FROM r WHERE t.id = r.id AND t.lease_token = $1 AND t.status = 'leased'
       RETURNING t.id, t.org_id, t.enrollment_id, t.step, t.channel, t.payload, r.pid),
 e AS (INSERT INTO touch_events (org_id, touch_id, kind, data)
       SELECT org_id, id, 'sent', jsonb_build_object('pid', pid, 'step', step) FROM s)
INSERT INTO touches (org_id, enrollment_id, step, channel, due_at, payload)
SELECT org_id, enrollment_id, step + 1, channel, now() - interval '5 min', payload FROM s`;

let url;

/** Fills the template database. `touches` due rows in due order, all due before any that a settle will plan. */
export async function prepare(options) {
  const client = new pg.Client({ connectionString: options.url });
  await client.connect();
  await client.query(SCHEMA);
  await client.query(
    `INSERT INTO touches (org_id, enrollment_id, channel, due_at, payload)
     SELECT 1 + n % 100, gen_random_uuid(), 'email', now() - interval '1 day' + n * interval '10 ms',
            jsonb_build_object('to', 'person' || n || '@example.com', 'subject', 'A word about your order ' || n,
                               'template', 17, 'note', repeat('x', 110))
       FROM generate_series(1, $1::int) n ORDER BY n`,
    [options.touches],
  );
  await client.end();
}

/** Before each run: which copy of the template to work on. */
export async function load(options) {
  url = options.url;
}

export async function run({ touches }) {
  const clients = Array.from({ length: CONNECTIONS }, () => new pg.Client({ connectionString: url }));
  try {
    await Promise.all(clients.map((client) => client.connect()));
    await Promise.all(clients.map(batch)); // prepares the statements, fills the caches
    const start = performance.now();
    let settled = 0;
    const lane = async (client) => {
      while (settled < touches) settled += await batch(client);
    };
    await Promise.all(clients.map(lane));
    const seconds = (performance.now() - start) / 1000;
    return { rate: settled / seconds, settled, seconds };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

async function batch(client) {
  const token = randomUUID();
  const claimed = await client.query({ name: 'claim', text: CLAIM, values: [token, BATCH] });
  const ids = claimed.rows.map((row) => row.id);
  const receipts = ids.map((id) => `p-${id}`);
  const settled = await client.query({ name: 'settle', text: SETTLE, values: [token, ids, receipts] });
  if (settled.rowCount === 0) throw new Error('nothing was due: L has run dry');
  return settled.rowCount;
}

export async function close() {}
