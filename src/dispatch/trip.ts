/** Asks the circuit breakers of senders of which messages have just failed for good (plan/breaker.ts pauses them). */
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import { tripBreaker } from '../plan/breaker.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import { periodOf } from '../schedule/period.ts';
import type { Engine } from './engine.ts';

/** `senderOf`: of a settled touch. Asks nothing where nothing failed. */
export async function tripBreakers(
  engine: Engine,
  org: Uuid,
  planning: Planning,
  settled: readonly Settlement[],
  senderOf: (touch: Uuid) => Uuid | null,
): Promise<void> {
  const senders = new Set<Uuid>();
  for (const { outcome, touch_id } of settled) {
    const sender = outcome === 'failed' ? senderOf(touch_id) : null;
    if (sender !== null) senders.add(sender);
  }
  for (const sender of senders) {
    try {
      await ask(engine, org, planning, sender);
    } catch (error) {
      engine.log.error({ org_id: org, sender_id: sender, error }, 'the circuit breaker could not be asked');
    }
  }
}

async function ask(engine: Engine, org: Uuid, planning: Planning, id: Uuid): Promise<void> {
  const sender = planning.senders.get(id);
  const today = sender && periodOf(planning.now, sender.time_zone ?? planning.organization.time_zone)?.day;
  if (!today) return;
  const ctx = { org, actor: { type: 'worker' as const, id: engine.worker, name: engine.worker } };
  const reason = await tripBreaker(engine.db, ctx, sender, today);
  if (reason !== null)
    engine.log.warn({ org_id: org, sender_id: id, reason }, 'its circuit breaker has paused a sender');
}
