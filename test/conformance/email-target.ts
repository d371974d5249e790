/** What the suite asks of a target, and the message it sends. */
import type { Connection, ProviderClass, SendRequest } from '../../src/channels/channel.ts';
import { newId } from '../../src/kernel/ids.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';

export interface ConnectOptions {
  max_connections?: number;
  rate_per_second?: number;
}

export interface EmailTarget {
  /** The server's own port; the suite puts its proxy before it. */
  port: number;
  /** A connection of the adapter under test to this port. */
  connect(port: number, more?: ConnectOptions): Connection<EmailMessage>;
  /** The same with a wrong password. */
  connectWithBadCredentials?(port: number): Connection<EmailMessage>;
  /** The same, unable to ask the server afterwards. */
  connectWithoutLookup?(port: number): Connection<EmailMessage>;
  /** Whether the server took the message; asked only after `settled`. */
  accepted(message_id: string): Promise<boolean>;
  /** Resolves when the server is done with every conversation, so that nothing can be accepted any more. */
  settled(): Promise<void>;
  /** Makes the server answer so for the recipient, and gives that recipient. */
  recipient(answer: Answer): string;
  stop(): Promise<void>;
}

export type Answer = 'ok' | 'unknown' | 'policy' | 'full' | 'greylisted' | 'later' | 'throttled';

/** What the target can be tested for; each absent part leaves out the tests that need it. */
export interface Abilities {
  provider_class: ProviderClass;
  /** The server asks for a password. */
  credentials: boolean;
}

export interface World {
  target: EmailTarget;
  proxy: FaultProxy;
  /** Connects to the proxy; closed after the test. */
  connect(more?: ConnectOptions): Connection<EmailMessage>;
}

export const TIMEOUT_MS = 15_000;

export function request(
  to: string,
  more: Partial<EmailMessage> = {},
  timeout_ms = TIMEOUT_MS,
): SendRequest<EmailMessage> {
  const touch_id = newId();
  return {
    touch_id,
    idempotency_key: `${touch_id}.1`,
    timeout_ms,
    message: {
      kind: 'email',
      from: { name: 'Ada', address: 'ada@example.test' },
      to: { address: to },
      subject: 'Hello',
      text: 'Hello there.\n',
      message_id: `${touch_id}.1@example.test`,
      headers: {},
      ...more,
    },
  };
}
