/**
 * Calls the provider for what the gate let go: nothing else may. A touch whose budget passed before its call began
 * is handed back without calling. Never throws: whatever an adapter does wrong is `ambiguous`, because its call began.
 */
import type { Connection, SendOutcome } from '../channels/channel.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Message } from '../kernel/message.ts';
import type { Engine } from './engine.ts';
import { BUDGET_PASSED } from './outcomes.ts';

export interface Outgoing {
  touch_id: Uuid;
  idempotency_key: string;
  message: Message;
  connection: Connection;
}

/** `deadline` is on the monotonic clock (performance.now), counted from before the gate was asked. */
export async function send(
  engine: Pick<Engine, 'limits' | 'log'>,
  outgoing: Outgoing,
  deadline: number,
): Promise<SendOutcome> {
  if (performance.now() > deadline) return { kind: 'not_started', reason: BUDGET_PASSED };
  try {
    return await outgoing.connection.send({
      touch_id: outgoing.touch_id,
      idempotency_key: outgoing.idempotency_key,
      message: outgoing.message,
      timeout_ms: engine.limits.call_timeout_ms,
    });
  } catch (error) {
    engine.log.error({ touch_id: outgoing.touch_id, error }, 'an adapter threw; the outcome is unknown');
    return { kind: 'ambiguous', reason: 'adapter_error', response: String(error) };
  }
}
