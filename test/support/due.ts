/** Steps that wait for people, over the HTTP API: contacts, a sender whose provider is looked at, enrollments. */
import { z } from 'zod';
import type { Adapter } from '../../src/channels/channel.ts';
import { sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import type { EngineLimits } from '../../src/dispatch/engine.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import type { Message } from '../../src/kernel/message.ts';
import { type Reply, setup, type World } from '../api/world.ts';
import { noonZone } from './channels.ts';
import { RecordingProvider } from './engine.ts';
import { makeSender, makeSequence } from './outreach.ts';

export const DUE = '/api/outreach/due-steps';
const NOW = { amount: 0, unit: 'minutes' };

export const CALL = { channel: 'call', delay: NOW, body_text: 'Ask {{ contact.first_name }} about Thursday' };
export const LINKEDIN = { channel: 'linkedin', delay: NOW, body_text: 'Hi {{ contact.first_name }}!' };
export const TASK = { channel: 'task', delay: NOW, body_text: 'Look {{ contact.company }} up' };
export const EMAIL = {
  channel: 'email',
  mode: 'human',
  delay: NOW,
  subject: 'Hello {{ contact.first_name }}',
  body_text: 'You work at {{ contact.company }}.',
};
/** Sent by a worker. */
export const FOLLOW_UP = { channel: 'email', delay: NOW, subject: 'Once more', body_text: 'Two' };

export interface DueWorld extends World {
  sender: Uuid;
  provider: RecordingProvider<Message>;
  contact(more?: Record<string, unknown>): Promise<Uuid>;
  sequence(steps: readonly unknown[], more?: Record<string, unknown>): Promise<Uuid>;
  /** A new contact at the first step of a new sequence: the enrollment, and the touch it waits for. */
  waiting(steps: readonly unknown[], more?: Record<string, unknown>): Promise<Waiting>;
  enroll(sequence: Uuid, contact: Uuid): Promise<Waiting>;
  /** As if the step had fallen due then. */
  dueAt(touch: Uuid, at: Date): Promise<void>;
  touch(id: Uuid): Promise<Record<string, unknown>>;
  enrollment(id: Uuid): Promise<Record<string, unknown>>;
  /** What a worker does now. */
  work(): Promise<void>;
  post(path: string, body?: unknown): Promise<Reply>;
}

export interface Waiting {
  enrollment: Uuid;
  touch: Uuid;
  contact: Uuid;
  sequence: Uuid;
}

export async function dueWorld(
  options: { limits?: Partial<EngineLimits>; providerClass?: 'K' | 'L' | 'N' } & Parameters<
    typeof setup
  >[0] = {},
): Promise<DueWorld> {
  const provider = new RecordingProvider<Message>(options.providerClass ?? 'N');
  const adapter: Adapter = {
    channel: 'email',
    provider: 'test',
    provider_class: provider.provider_class,
    config: z.looseObject({}),
    secret_fields: [],
    connect: () => provider,
    verify: async () => ({ ok: true, detail: '', checks: [] }),
  };
  const world = await setup({ ...options, adapters: [adapter] });
  const { db, org } = world;
  const sender = await makeSender(db, org.id);
  const row = async (table: 'touches' | 'enrollments', id: Uuid) =>
    db.inOrg(org.id, async (tx) => {
      const from = table === 'touches' ? sql`touches` : sql`enrollments`;
      return tx.one(sql`SELECT * FROM ${from} WHERE org_id = ${org.id} AND id = ${id}`);
    });
  const due: DueWorld = {
    ...world,
    sender,
    provider,
    async contact(more = {}) {
      const id = newId();
      const n = Number.parseInt(id.slice(-6), 16) % 10_000;
      const body = {
        email: `p${id}@example.com`,
        first_name: 'Ada',
        last_name: 'Byron',
        company: 'Analytical Engines',
        phone: `+1415555${String(n).padStart(4, '0')}`,
        linkedin: 'https://www.linkedin.com/in/ada',
        time_zone: noonZone(),
        ...more,
      };
      await db.inOrg(org.id, (tx) =>
        tx.run(sql`
          INSERT INTO contacts (org_id, id, email, first_name, last_name, company, phone, linkedin, time_zone, time_zone_from)
          VALUES (${org.id}, ${id}, ${body.email}, ${body.first_name}, ${body.last_name}, ${body.company}, ${body.phone}, ${body.linkedin},
            ${body.time_zone}, 'given')`),
      );
      return id;
    },
    sequence: (steps, more = {}) => makeSequence(db, org.id, sender, { steps, ...more }),
    async enroll(sequence, contact) {
      const { status, body } = await world.call('POST', '/api/outreach/enrollments', {
        body: { sequence_id: sequence, contact_id: contact },
      });
      if (status !== 201) throw new Error(`not enrolled: ${JSON.stringify(body)}`);
      return { enrollment: body.enrollment.id, touch: body.enrollment.live_touch, contact, sequence };
    },
    async waiting(steps, more = {}) {
      return due.enroll(await due.sequence(steps, more), await due.contact());
    },
    async dueAt(touch, at) {
      await db.inOrg(org.id, (tx) =>
        tx.run(sql`UPDATE touches SET not_before = ${at} WHERE org_id = ${org.id} AND id = ${touch}`),
      );
    },
    touch: (id) => row('touches', id),
    enrollment: (id) => row('enrollments', id),
    async work() {
      const lane = { org: org.id, shard: 0, token: newId(), careful: false, suspect: null };
      await deliver(world.deps.engine, lane, { stop: () => false, settled: () => undefined });
    },
    post: (path, body) => world.call('POST', path, { body }),
  };
  return due;
}
