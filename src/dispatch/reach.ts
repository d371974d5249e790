/** Notes with a sender whether its provider could be reached, at most once a minute and when it changes. */
import type { SendOutcome } from '../channels/channel.ts';
import type { Uuid } from '../kernel/ids.ts';
import { noteReached, noteUnreachable } from '../senders/reach.ts';
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

export async function noteReach(
  engine: Engine,
  org: Uuid,
  sender: Uuid,
  outcome: SendOutcome,
): Promise<void> {
  const reached = wasReached(outcome);
  if (reached === null) return;
  const ours = noted.get(engine) ?? new Map<Uuid, Noted>();
  noted.set(engine, ours);
  const before = ours.get(sender);
  const now = performance.now();
  if (before?.reached === reached && now - before.at < AGAIN_MS) return;
  if (ours.size >= MAX_REMEMBERED) ours.clear();
  ours.set(sender, { reached, at: now });
  try {
    if (reached) await noteReached(engine.db, org, sender);
    else await noteUnreachable(engine.db, org, sender, outcome.kind === 'not_started' ? outcome.reason : '');
  } catch (error) {
    ours.delete(sender);
    engine.log.error({ org_id: org, sender_id: sender, error }, 'could not note whether a sender is reached');
  }
}
