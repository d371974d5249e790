/**
 * Which of several senders a new enrollment goes through on a channel [EXE-7]: each contact to one of them, for ever the same
 * while they stay as they are, and to each sender as many as it may send a day. Weighted rendezvous hashing: of
 * all -ln(u) / weight, u drawn from the ids of contact and sender, the least wins; so a sender that comes or goes moves
 * only those that it takes or leaves. In: the version's senders with their settings. Out: the ids that the enrollment
 * keeps, whatever becomes of limits and senders later. Enrolling, moves to another version and the preview ask here. Pure.
 */
import type { Channel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { SenderSettings } from '../../senders/senders.ts';
import type { SendersByChannel } from './step-sender.ts';

type Limits = Pick<SenderSettings, 'daily_limit' | 'hourly_limit' | 'ramp'>;
type Settings = Limits & Pick<SenderSettings, 'status'>;

/** Messages a day of a sender that has no limit: more than any mailbox has, and still not all. */
const NO_LIMIT = 10_000;
const HOURS = 24;

/** What it may send on a day at most, once its ramp is over. */
export function capacityOf({ daily_limit, hourly_limit, ramp }: Limits): number {
  const limits = [daily_limit, hourly_limit === null ? null : hourly_limit * HOURS];
  // One that rises ends at the daily limit.
  if (ramp !== null && ramp.increase === 0) limits.push(ramp.start);
  const set = limits.filter((limit) => limit !== null);
  return set.length === 0 ? NO_LIMIT : Math.min(...set);
}

interface Candidate {
  id: Uuid;
  hash: number;
  capacity: number;
}

export class Rotation {
  /** Channels with more than one sender. */
  readonly #candidates = new Map<Channel, readonly Candidate[]>();

  /** `settings`: of the senders, as they are now. */
  constructor(senders: SendersByChannel, settings: ReadonlyMap<Uuid, Settings>) {
    for (const [channel, ids] of senders)
      if (ids.length > 1) this.#candidates.set(channel, candidatesOf(ids, settings));
  }

  /** Of each channel with more than one sender the one that the contact is given. Costs nothing where there is none. */
  of(contact: Uuid): readonly Uuid[] {
    if (this.#candidates.size === 0) return NONE;
    return [...this.#candidates.values()].map((candidates) => leastOf(candidates, contact));
  }

  /** Undefined: the channel has no more than one. */
  on(channel: Channel, contact: Uuid): Uuid | undefined {
    const candidates = this.#candidates.get(channel);
    return candidates && leastOf(candidates, contact);
  }
}

const NONE: readonly Uuid[] = [];

/** Who is paused, by a person or a circuit breaker, is given nobody new while another is there; nor who is archived. */
function candidatesOf(ids: readonly Uuid[], settings: ReadonlyMap<Uuid, Settings>): Candidate[] {
  const known = ids.filter((id) => settings.has(id));
  const having = (fits: (status: string) => boolean) => known.filter((id) => fits(settings.get(id)!.status));
  const active = having((status) => status === 'active');
  const there = having((status) => status !== 'archived');
  const chosen = [active, there, known, ids].find((list) => list.length > 0)!;
  return chosen.map((id) => {
    const limits = settings.get(id);
    return { id, hash: hashOf(id), capacity: limits ? capacityOf(limits) : NO_LIMIT };
  });
}

function leastOf(candidates: readonly Candidate[], contact: Uuid): Uuid {
  const hash = hashOf(contact);
  let least = Number.POSITIVE_INFINITY;
  let chosen = candidates[0]!.id;
  for (const candidate of candidates) {
    const u = (mixed(hash ^ candidate.hash) + 0.5) / 2 ** 32;
    const score = -Math.log(u) / candidate.capacity;
    if (score >= least) continue;
    least = score;
    chosen = candidate.id;
  }
  return chosen;
}

/** FNV-1a: ids made in one moment differ in few places. */
function hashOf(id: Uuid): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/** The last step of MurmurHash3: every bit of its input reaches every bit of what comes out. */
function mixed(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
