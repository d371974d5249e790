/**
 * A world for engine tests: a database of its own, the application's login under row-level security, one
 * organization, a sender, contacts, a published sequence, and a provider that records every call before it answers.
 */
import { randomBytes } from 'node:crypto';
import type { Connection, LookupOutcome, SendOutcome, SendRequest } from '../../src/channels/channel.ts';
import { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { DEFAULT_LIMITS, type Engine, type EngineLimits, type Failpoint } from '../../src/dispatch/engine.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import type { EmailMessage, Message } from '../../src/kernel/message.ts';
import { type Definition, definitionSchema } from '../../src/plan/sequences/definition.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { withIds } from '../../src/plan/sequences/step-ids.ts';
import { VersionCache } from '../../src/plan/sequences/versions.ts';
import { ensureAppLogin } from '../../src/tenancy/app-login.ts';
import type { Context } from '../../src/tenancy/context.ts';
import { createDatabase, migratedDatabase } from './database.ts';

/** A provider in this process: it writes down each call, then answers as the test says. */
export class RecordingProvider<M extends Message = EmailMessage> implements Connection<M> {
  readonly provider_class;
  readonly calls: SendRequest<M>[] = [];
  readonly accepted = new Set<string>();
  /** What to answer; the default accepts. Accepting is recorded before the answer, as a real provider would. */
  answer: (request: SendRequest<M>) => Promise<SendOutcome> | SendOutcome = () => ({ kind: 'accepted' });
  free = 1_000;

  constructor(providerClass: 'K' | 'L' | 'N' = 'L') {
    this.provider_class = providerClass;
  }

  capacity(): number {
    return this.free;
  }

  async send(request: SendRequest<M>): Promise<SendOutcome> {
    this.calls.push(request);
    const outcome = await this.answer(request);
    if (outcome.kind === 'accepted') this.accepted.add(request.touch_id);
    return outcome;
  }

  async lookup(request: { touch_id: string }): Promise<LookupOutcome> {
    return this.accepted.has(request.touch_id) ? { kind: 'found' } : { kind: 'not_found' };
  }

  async close(): Promise<void> {}
}

const quiet = { info() {}, warn() {}, error() {} };

export interface EngineWorld {
  db: Database;
  /** The owner: passes row-level security, for looking at everything. */
  owner: Database;
  org: Uuid;
  ctx: Context;
  sender: Uuid;
  versions: VersionCache;
  provider: RecordingProvider;
  engine: Engine;
  newEngine(more?: {
    failpoint?: (name: Failpoint) => Promise<void> | void;
    limits?: Partial<EngineLimits>;
    provider?: Connection;
  }): Engine;
  contacts(count: number): Promise<Uuid[]>;
  sequence(definition?: Record<string, unknown>): Promise<Uuid>;
  enroll(sequence: Uuid, contacts: readonly Uuid[]): Promise<Uuid[]>;
  /** Another organization in the same database, with a sender and a provider of its own. */
  another(providerClass?: 'K' | 'L' | 'N'): Promise<EngineWorld>;
  close(): Promise<void>;
}

/** The master secret of these installations: a process that works on one is given it. */
export const SECRET = randomBytes(32).toString('base64url');

/** `server`: another than that of the test run. */
export async function engineWorld(
  providerClass: 'K' | 'L' | 'N' = 'L',
  server?: string,
): Promise<EngineWorld> {
  const { ownerUrl, drop } = await (server === undefined ? createDatabase() : migratedDatabase(server));
  const url = await ensureAppLogin(ownerUrl, SECRET);
  const db = new Database({ url, max: 12 });
  const owner = new Database({ url: ownerUrl, max: 2 });
  return organizationWorld({ db, owner, versions: new VersionCache(db) }, providerClass, async () => {
    await db.close();
    await owner.close();
    await drop();
  });
}

async function organizationWorld(
  database: Pick<EngineWorld, 'db' | 'owner' | 'versions'>,
  providerClass: 'K' | 'L' | 'N',
  close: () => Promise<void>,
): Promise<EngineWorld> {
  const { db, versions } = database;
  const org = newId();
  const sender = newId();
  await insertOrganization(db, org, sender);
  const ctx: Context = { org, actor: { type: 'system', id: 'test', name: 'test' } };
  const provider = new RecordingProvider(providerClass);
  const newEngine: EngineWorld['newEngine'] = (more = {}) => ({
    db,
    worker: `test:${newId().slice(-6)}`,
    versions,
    connect: () => more.provider ?? provider,
    unsubscribeUrl: (_org, _contact, touch) => `https://example.com/u/${touch}`,
    limits: { ...DEFAULT_LIMITS, ...more.limits },
    log: quiet,
    ...(more.failpoint ? { failpoint: more.failpoint } : {}),
  });
  return {
    ...database,
    org,
    ctx,
    sender,
    provider,
    newEngine,
    engine: newEngine(),
    contacts: (count) => insertContacts(db, org, count),
    sequence: (definition = {}) => insertSequence(db, org, sender, definition),
    async enroll(sequence, contacts) {
      const results = await enrollContacts(db, versions, ctx, {
        sequence_id: sequence,
        contact_ids: contacts,
      });
      return results.map((result) => {
        if (result.result !== 'enrolled') throw new Error(`not enrolled: ${JSON.stringify(result)}`);
        return result.enrollment_id;
      });
    },
    another: (otherClass = providerClass) => organizationWorld(database, otherClass, async () => undefined),
    close,
  };
}

async function insertOrganization(db: Database, org: Uuid, sender: Uuid): Promise<void> {
  await db.inOrg(org, async (tx) => {
    await tx.run(sql`INSERT INTO organizations (org_id, name) VALUES (${org}, 'Test')`);
    await tx.run(sql`INSERT INTO lanes (org_id) VALUES (${org})`);
    await tx.run(sql`
      INSERT INTO senders (org_id, id, channel, provider, name, from_address) VALUES (${org}, ${sender}, 'email', 'test', 'Test', 'test@example.com')`);
  });
}

async function insertContacts(db: Database, org: Uuid, count: number): Promise<Uuid[]> {
  const ids = Array.from({ length: count }, () => newId());
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      INSERT INTO contacts (org_id, id, email, first_name)
      SELECT ${org}, u.id, 'p' || replace(u.id::text, '-', '') || '@example.com', 'Person ' || u.n
        FROM unnest(${ids}::uuid[]) WITH ORDINALITY u(id, n)`),
  );
  return ids;
}

export function definitionOf(sender: Uuid, definition: Record<string, unknown> = {}): Definition {
  const parsed = definitionSchema.parse({
    sender_ids: [sender],
    steps: [
      { channel: 'email', subject: 'Hello {{ contact.first_name }}', body_text: 'One' },
      { channel: 'email', delay: { amount: 1, unit: 'days' }, body_text: 'Two' },
    ],
    ...definition,
  });
  return withIds(parsed);
}

async function insertSequence(
  db: Database,
  org: Uuid,
  sender: Uuid,
  definition: Record<string, unknown>,
): Promise<Uuid> {
  const id = newId();
  const version = newId();
  const body = JSON.stringify(definitionOf(sender, definition));
  await db.inOrg(org, async (tx) => {
    await tx.run(sql`
      INSERT INTO sequences (org_id, id, name, status, draft, published_version_id, created_by)
      VALUES (${org}, ${id}, 'Test', 'active', ${body}, ${version}, 'test')`);
    await tx.run(sql`
      INSERT INTO sequence_versions (org_id, id, sequence_id, number, definition, published_by)
      VALUES (${org}, ${version}, ${id}, 1, ${body}, 'test')`);
  });
  return id;
}

/** Waits for a condition, at most ten seconds. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
