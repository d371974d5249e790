/**
 * `bench inbound`: what a provider tells of a campaign, 20,000 events of messages that were really sent, in signed calls
 * of 500: stored, then read, attributed, written and reacted to. One in fifty is a hard bounce, which ends an enrollment
 * and suppresses. Counted in the database: each event has its contact event, its reaction, and its line in the stream.
 */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { startCluster } from './cluster.mjs';
import { dropDatabase, makeDatabase, probeCommits, settleDown } from './database.mjs';
import { engineOf, isBuilt, makeWorld, product, SECRET } from './ours/world.mjs';
import { figure } from './stats.mjs';

const PLAN = { full: { events: 20_000, runs: 3 }, quick: { events: 20_000, runs: 1 } };
const EVENTS_A_MESSAGE = 4;
const EVENTS_A_CALL = 500;
const HARD_BOUNCES = 1 / 50;

/** @param {{ quick: boolean, log: (line: string) => void }} options */
export async function benchInbound({ quick, log }) {
  const { events, runs } = PLAN[quick ? 'quick' : 'full'];
  if (!isBuilt()) throw new Error('dist/ lacks the engine: run `npm run build`');
  const cluster = await startCluster(log);
  const rates = { stored: [], carried_out: [], without_bounces: [] };
  const commits = [];
  try {
    for (let run = 0; run < runs; run++) {
      for (const bounces of [true, false]) {
        const url = await makeDatabase(cluster.url, 'bench_inbound');
        const world = await makeWorld(url);
        try {
          const calls = await sentMessages(world, events, bounces ? HARD_BOUNCES : 0);
          await settleDown(url);
          commits.push(await probeCommits(url));
          const { stored, carried_out } = await tell(world, calls, events);
          if (bounces) rates.stored.push(events / stored);
          rates[bounces ? 'carried_out' : 'without_bounces'].push(events / carried_out);
          log(
            `run ${run + 1}${bounces ? '' : ', no hard bounces'}: stored ${Math.round(events / stored)}/s, carried out ${Math.round(events / carried_out)}/s`,
          );
        } finally {
          await world.close();
          await dropDatabase(cluster.url, 'bench_inbound');
        }
      }
    }
  } finally {
    await cluster.stop();
  }
  const figures = Object.fromEntries(
    Object.entries(rates).map(([name, values]) => [name, figure(values, 'events/s')]),
  );
  return {
    bench: 'inbound',
    quick,
    events,
    runs,
    figures: { ...figures, commits: figure(commits, 'commits/s') },
    ratios: {},
    skipped: [],
    why_skipped: {},
    machine: { node: process.versions.node, ...cluster.settings },
  };
}

/** Sends the first message to everybody, and gives the calls about them. */
async function sentMessages(world, events, hard) {
  const [organization] = world.organizations;
  const messages = events / EVENTS_A_MESSAGE;
  const { enrollContacts } = await product('plan/sequences/enroll');
  const { deliver } = await product('dispatch/deliver');
  const { newId } = await product('kernel/ids');
  const { rows } = await world.owner.pool.query(
    `INSERT INTO contacts (org_id, id, email, first_name)
     SELECT $1, id, 'p' || n || '@example.com', 'Person' FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, $2::int) n) made
     RETURNING id`,
    [organization.org, messages],
  );
  await world.owner.pool.query(`UPDATE senders SET provider = 'sendgrid' WHERE org_id = $1`, [
    organization.org,
  ]);
  await enrollContacts(world.db, world.versions, contextOf(organization), {
    sequence_id: organization.sequence,
    contact_ids: rows.map((row) => row.id),
  });
  const engine = await engineOf(world, PROVIDER);
  const lane = { org: organization.org, shard: 0, token: newId(), careful: false, suspect: null };
  for (let sent = 0; sent < messages; )
    sent += await deliver(engine, lane, { stop: () => false, settled: () => undefined });
  return callsAbout(world, organization, hard);
}

const PROVIDER = {
  provider_class: 'K',
  capacity: () => 1_000,
  send: async ({ touch_id }) => ({ kind: 'accepted', provider_id: `m-${touch_id}` }),
  close: async () => undefined,
};

function contextOf({ org }) {
  return { org, actor: { type: 'system', id: 'bench', name: 'bench' } };
}

/** A hook a sender, and its signed calls. */
async function callsAbout(world, organization, hard) {
  const { createHook } = await product('inbound/hooks');
  const { createSecrets } = await product('tenancy/secrets');
  const { sendgrid } = await product('channels/sendgrid/adapter');
  const deps = {
    db: world.db,
    secrets: createSecrets([SECRET]),
    adapters: new Map([['sendgrid', sendgrid]]),
    log: {
      warn: (fields, text) => console.error(text, fields),
      error: (fields, text) => console.error(text, fields),
    },
  };
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const { rows } = await world.owner.pool.query(
    `SELECT t.id, t.sender_id, c.email FROM touches t JOIN contacts c ON c.org_id = t.org_id AND c.id = t.contact_id
      WHERE t.org_id = $1 AND t.state = 'sent'`,
    [organization.org],
  );
  const calls = [];
  for (const sender of new Set(rows.map((row) => row.sender_id))) {
    const { token } = await createHook(deps, contextOf(organization), { sender_id: sender, secrets: [key] });
    const told = rows
      .filter((row) => row.sender_id === sender)
      .flatMap((row, n) => eventsOf(row, n % (1 / hard || Number.POSITIVE_INFINITY) === 0 && hard > 0));
    // As they come: not message by message.
    told.sort((a, b) => (a.sg_event_id < b.sg_event_id ? -1 : 1));
    for (let from = 0; from < told.length; from += EVENTS_A_CALL)
      calls.push({ deps, token, request: signed(told.slice(from, from + EVENTS_A_CALL), privateKey) });
  }
  return calls;
}

function eventsOf({ id, email }, hard) {
  const timestamp = Math.floor(Date.now() / 1000);
  const kinds = hard ? ['bounce', 'open', 'open', 'open'] : ['delivered', 'open', 'open', 'click'];
  return kinds.map((event, n) => ({
    event,
    email,
    timestamp,
    sg_event_id: createHash('md5').update(`${id}.${n}`).digest('hex'),
    sg_message_id: `m-${id}.filter`,
    touch_id: id,
    ...(event === 'click' ? { url: 'https://example.com/offer' } : {}),
    ...(event === 'bounce' ? { type: 'bounce', reason: '550 no such user' } : {}),
  }));
}

function signed(events, privateKey) {
  const body = Buffer.from(JSON.stringify(events));
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = sign('sha256', Buffer.concat([Buffer.from(timestamp), body]), privateKey).toString(
    'base64',
  );
  const prefix = 'x-twilio-email-event-webhook';
  return {
    headers: { [`${prefix}-signature`]: signature, [`${prefix}-timestamp`]: timestamp },
    url: 'https://example.com/hooks/x',
    body,
  };
}

async function tell(world, calls, events) {
  const [{ org }] = world.organizations;
  const { receiveCall } = await product('inbound/receive');
  const { readInbound } = await product('inbound/interpret');
  const { reactPending } = await product('plan/sequences/react');
  const began = performance.now();
  for (const { deps, token, request } of calls) {
    const received = await receiveCall(deps, token, request);
    if (received.kind !== 'stored') throw new Error(`a call was ${received.kind}`);
  }
  const stored = performance.now();
  const react = { db: world.db, versions: world.versions, log: calls[0].deps.log };
  await readInbound(react, org);
  await reactPending(react, org);
  const ended = performance.now();
  const count = (text) => world.ask(`SELECT count(*)::int ${text}`, [org]);
  const found = {
    reacted: await count('FROM contact_events WHERE org_id = $1 AND reacted_at IS NOT NULL'),
    noted: await count(
      `FROM events WHERE org_id = $1 AND type IN ('delivered', 'opened', 'clicked', 'bounce')`,
    ),
  };
  if (found.reacted !== events || found.noted !== events)
    throw new Error(`of ${events} events: ${JSON.stringify(found)}`);
  const [ended_as, suppressed] = [
    await count(`FROM enrollments WHERE org_id = $1 AND status = 'bounced'`),
    await count(`FROM suppressions WHERE org_id = $1 AND reason = 'hard_bounce'`),
  ];
  if (ended_as !== suppressed) throw new Error(`${ended_as} bounced, ${suppressed} suppressed`);
  return { stored: (stored - began) / 1000, carried_out: (ended - stored) / 1000 };
}
