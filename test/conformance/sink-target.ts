/** The sink as a conformance target: its record says what it accepted. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FaultInput } from '../../src/channels/sandbox/faults.ts';
import { type Sink, type SinkOptions, startSink } from '../../src/channels/sandbox/sink.ts';
import { until } from '../support/until.ts';
import type { Answer, EmailTarget } from './email-target.ts';

const REPLIES: Record<Exclude<Answer, 'ok'>, { code: number; text: string }> = {
  unknown: { code: 550, text: '5.1.1 No such user here' },
  policy: { code: 554, text: '5.7.1 Not welcome here' },
  full: { code: 452, text: '4.2.2 Mailbox full' },
  greylisted: { code: 451, text: '4.7.1 Greylisted, try again in 5 minutes' },
  later: { code: 451, text: '4.3.0 Try again later' },
  throttled: { code: 454, text: '4.7.0 Throttling failure: Maximum sending rate exceeded.' },
};

export interface SinkTarget {
  sink: Sink;
  common: Pick<EmailTarget, 'port' | 'accepted' | 'settled' | 'recipient' | 'stop'>;
}

export async function startSinkTarget(options: Partial<SinkOptions> = {}): Promise<SinkTarget> {
  const dir = await mkdtemp(join(tmpdir(), 'cadenza-sink-'));
  const sink = await startSink({ dir, ...options });
  sink.faults.set(
    Object.entries(REPLIES).map(
      ([answer, refuse]): Extract<FaultInput, { match?: unknown }> => ({
        match: `^${answer}@`,
        refuse,
      }),
    ),
  );
  return {
    sink,
    common: {
      port: sink.port,
      recipient: (answer) => `${answer}@example.test`,
      accepted: async (message_id) => (await sink.list({ message_id })).length === 1,
      settled: () => until(() => sink.active() === 0, 'the sink to be idle'),
      async stop() {
        await sink.stop();
        await rm(dir, { recursive: true, force: true });
      },
    },
  };
}

export function newSecret(): string {
  return randomBytes(24).toString('base64url');
}
