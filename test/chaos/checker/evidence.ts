/**
 * What the checker judges by, as it lies in a run's directory: the provider's journal, the clients'
 * acknowledgements, what the public API showed at the end, and when the gate let each touch go, as the tables say.
 * Nothing here knows how the engine works.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A line of the provider's journal. `mono` is nanoseconds, monotonic over all processes of the machine. */
export interface JournalLine {
  event: 'begun' | 'accepted' | 'duplicate' | 'answered' | 'looked_up' | 'broken';
  call: number;
  mono: string;
  wall: string;
  class?: 'K' | 'L' | 'N';
  account?: string;
  touch_id?: string | null;
  key?: string | null;
  recipient?: string | null;
  body_hash?: string;
  answer?: number | string;
  /** Why it was refused, in the provider's words. */
  code?: string;
}

export type TargetClass =
  | 'touch'
  | 'enrollment'
  | 'contact'
  | 'sequence'
  | 'sender'
  | 'channel'
  | 'organization';

/**
 * Acts after which nothing may begin that the receipt does not list. `react`: what an event led to, as the answer to
 * whoever told it says: a reply that pauses, a goal that ends.
 */
export const STOPS = ['pause', 'unenroll', 'unsubscribe', 'hold', 'react'] as const;
/** What people do with a step that waits for them, and what may send or take up something. */
export const PEOPLE = ['draft', 'execute', 'start', 'complete', 'skip', 'snooze'] as const;
/** Acts that let things begin again. */
export const RESUMES = ['resume', 'restart', 'release'] as const;

export interface ReceiptSeen {
  id: string;
  epoch: number;
  /** Milliseconds, the database's clock. */
  effective_at: number;
  /** All pages of it. */
  in_flight: string[];
  drained: boolean;
}

/** One request of a client, with every repetition of it until it was answered or given up. */
export interface Ack {
  n: number;
  /** Label of the organization whose key was used. */
  org: string;
  act: string;
  /** `channel`: of a contact, what it opted out of; of an organization, what its quiet hours are for. */
  target: { class: TargetClass; id: string; channel?: string } | null;
  /** When the first try began and the last ended, nanoseconds. */
  began: string;
  ended: string;
  /** The end on the clock that the database uses too, milliseconds. */
  ended_at: number;
  tries: number;
  /** Null: no answer came. */
  status: number | null;
  receipt: ReceiptSeen | null;
  /** Enrollments that an `enroll` was told of. */
  enrolled?: string[];
  /** `resolve`: what was decided. */
  decision?: string;
  /** `tell`: the name of the event, and its id when it was stored. */
  event?: string;
  event_id?: string;
  /** Of what people did: what came of it, whether it had been done before, and why it was refused. */
  result?: string;
  repeated?: boolean;
  reason?: string;
}

/** When something may go, milliseconds; null: no such bound within the run. */
export interface Opening {
  opens: number | null;
  closes: number | null;
}

export interface Sender extends Opening {
  id: string;
  account: string;
  channel: string;
  class: 'K' | 'L' | 'N';
  /** Its keys live only seconds. */
  forgets: boolean;
  daily_limit: number | null;
  hourly_limit: number | null;
  min_gap_s: number | null;
  max_gap_s: number | null;
}

export interface Organization {
  label: string;
  id: string;
  daily_cap: number | null;
  /** By channel: how many messages of it a contact may get in a day. */
  channel_caps: Record<string, number>;
  senders: Sender[];
  /** `ends_on`: events that end whoever is on the way through it, under all of its versions. */
  sequences: ({ id: string; ends_on: string[] } & Opening)[];
  /** Contact id to its addresses: those this organization made. */
  contacts: Record<string, string[]>;
}

export interface Touch {
  id: string;
  org: string;
  enrollment: string;
  sequence: string;
  /** Null: people do it themselves. */
  sender: string | null;
  contact: string;
  channel: string;
  mode: string;
  state: string;
  step_id: string;
  generation: number;
  needs_review: boolean;
  held_by: string | null;
  /** When it is due, milliseconds; null: not by itself. */
  due_at: number | null;
  /** When the gate last let it go. */
  gated_at: number | null;
  created_at: number;
  /** The gap drawn for it, milliseconds; null: its sender keeps none, or it never went. */
  gap: number | null;
}

export interface Enrollment {
  id: string;
  org: string;
  contact: string;
  sequence: string;
  status: string;
}

/** What was told of a contact. */
export interface Told {
  id: string;
  org: string;
  /** All that it led to was carried out. */
  reacted: boolean;
}

/** Once that the gate let a touch go. */
export interface Passage {
  touch: string;
  /** Milliseconds, the database's clock. */
  at: number;
  /** The same bytes under the same key. */
  again: boolean;
}

export interface Shown {
  /** Until when the workers worked; nothing moved while the API was read. Milliseconds. */
  read_at: number;
  /** First and last moment of the run, milliseconds. */
  from: number;
  until: number;
  /** So long after the gate a call may begin; and so long at most a process of the run stood still. Milliseconds. */
  budget: number;
  freeze: number;
  organizations: Organization[];
  touches: Touch[];
  enrollments: Enrollment[];
  told: Told[];
}

export interface Evidence extends Shown {
  journal: JournalLine[];
  acks: Ack[];
  passages: Passage[];
}

export async function loadEvidence(dir: string): Promise<Evidence> {
  const shown: Shown = JSON.parse(await readFile(join(dir, 'shown.json'), 'utf8'));
  return {
    ...shown,
    passages: JSON.parse(await readFile(join(dir, 'passages.json'), 'utf8')),
    journal: await lines<JournalLine>(join(dir, 'journal.jsonl')),
    acks: await lines<Ack>(join(dir, 'acks.jsonl')),
  };
}

async function lines<T>(path: string): Promise<T[]> {
  const all: T[] = [];
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line !== '') all.push(JSON.parse(line));
  }
  return all;
}
