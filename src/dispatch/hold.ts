/** An account that the provider refuses is held, so that its touches wait instead of failing one by one. */
import type { SendOutcome } from '../channels/channel.ts';
import type { Uuid } from '../kernel/ids.ts';
import { hold } from '../plan/stop.ts';
import type { Engine } from './engine.ts';
import { isSenderFault } from './outcomes.ts';

export async function holdFaultySender(
  engine: Engine,
  org: Uuid,
  sender: Uuid,
  outcome: SendOutcome,
): Promise<void> {
  if (outcome.kind !== 'refused' || !isSenderFault(outcome)) return;
  const reason = `${outcome.reason}: ${outcome.response ?? ''}`.slice(0, 500);
  const ctx = { org, actor: { type: 'worker' as const, id: engine.worker, name: engine.worker } };
  try {
    await hold(engine.db, ctx, { class: 'sender', id: sender, paused: true }, { reason });
    engine.log.warn(
      { org_id: org, sender_id: sender, reason },
      'the provider refuses this sender; it is paused',
    );
  } catch (error) {
    engine.log.error({ org_id: org, sender_id: sender, error }, 'could not pause a refused sender');
  }
}
