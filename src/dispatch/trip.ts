/** Pauses a sender whose circuit breaker says so, once messages of its have failed for good: a Hold, like a person's. */
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import { hold } from '../plan/stop.ts';
import { periodOf } from '../schedule/period.ts';
import { tripReason } from '../senders/breaker.ts';
import { clearRecord, readRecord } from '../senders/record.ts';
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
      await tripBreaker(engine, org, planning, sender);
    } catch (error) {
      engine.log.error({ org_id: org, sender_id: sender, error }, 'the circuit breaker could not be asked');
    }
  }
}

async function tripBreaker(engine: Engine, org: Uuid, planning: Planning, id: Uuid): Promise<void> {
  const sender = planning.senders.get(id);
  const today = sender && periodOf(planning.now, sender.time_zone ?? planning.organization.time_zone)?.day;
  if (!today) return;
  const record = await engine.db.inOrg(org, (tx) => readRecord(tx, org, id, today));
  const reason = tripReason(sender.breaker, record);
  if (reason === null) return;
  const ctx = { org, actor: { type: 'worker' as const, id: engine.worker, name: engine.worker } };
  await hold(engine.db, ctx, { class: 'sender', id, paused: true }, { reason });
  await engine.db.inOrg(org, (tx) => clearRecord(tx, org, id, record));
  engine.log.warn({ org_id: org, sender_id: id, reason }, 'its circuit breaker has paused a sender');
}
