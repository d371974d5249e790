/** What a `sandbox_http` sender's `config` holds: where the provider listens, and which kind of provider it plays. */
import { z } from 'zod';

const MAX_CONNECTIONS = 1_000;
const MAX_KEY_LIFE_MS = 24 * 3_600_000;

export const SandboxHttpSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, '')),
  /** The account at the provider; each has its own keys and messages. */
  account: z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/),
  /** K honours idempotency keys, L can be asked, N does neither. */
  class: z.enum(['K', 'L', 'N']).default('L'),
  /** Class K: how long the provider remembers a key. */
  key_life_ms: z.int().min(1).max(MAX_KEY_LIFE_MS).default(MAX_KEY_LIFE_MS),
  max_connections: z.int().min(1).max(MAX_CONNECTIONS).default(50),
});

export type SandboxHttpConfig = z.infer<typeof SandboxHttpSchema>;

/** Where an account's messages are sent and looked up. */
export function messagesUrl(config: SandboxHttpConfig): string {
  return `${config.url}/v1/${config.class}/${config.account}/messages`;
}
