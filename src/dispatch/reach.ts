/** Notes with a sender whether its provider could be reached: when that changes, and at most once a minute. */
import type { SendOutcome } from '../channels/channel.ts';
import type { Uuid } from '../kernel/ids.ts';
import { noteReached, noteUnreachable } from '../senders/reach.ts';
import type { SenderSettings } from '../senders/senders.ts';
import type { Engine } from './engine.ts';
import { BUDGET_PASSED } from './outcomes.ts';

const AGAIN_MS = 60_000;
const MAX_REMEMBERED = 10_000;

interface Noted {
  reached: boolean;
  at: number;
}

/** Of this process, by its engine: what it wrote last. Another process may have met something else since. */
const noted = new WeakMap<Engine, Map<Uuid, Noted>>();

/** True, false, or null: it says nothing about the provider. */
function wasReached(outcome: SendOutcome): boolean | null {
  if (outcome.kind === 'ambiguous') return null;
  if (outcome.kind !== 'not_started') return true;
  return outcome.reason === BUDGET_PASSED || outcome.reason.startsWith(NO_ROOM) ? null : false;
}

/** How adapters begin what they say when all their connections are busy. */
const NO_ROOM = 'no free connection';

/** `sender`: as it was read for the batch. One that is known to be reachable needs no note of it. */
export function noteReach(
  engine: Engine,
  org: Uuid,
  sender: Pick<SenderSettings, 'id' | 'unreachable'>,
  outcome: SendOutcome,
): void {
  const reached = wasReached(outcome);
  if (reached === null) return;
  const ours = noted.get(engine) ?? new Map<Uuid, Noted>();
  noted.set(engine, ours);
  const before = ours.get(sender.id);
  if (reached && !sender.unreachable && before?.reached !== false) return;
  const now = performance.now();
  if (before?.reached === reached && now - before.at < AGAIN_MS) return;
  if (ours.size >= MAX_REMEMBERED) ours.clear();
  ours.set(sender.id, { reached, at: now });
  const written = reached
    ? noteReached(engine.db, org, sender.id)
    : noteUnreachable(engine.db, org, sender.id, outcome.kind === 'not_started' ? outcome.reason : '');
  written.catch((error: unknown) => {
    ours.delete(sender.id);
    engine.log.error(
      { org_id: org, sender_id: sender.id, error },
      'could not note whether a sender is reached',
    );
  });
}
