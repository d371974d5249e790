/** One account at a provider: its credentials, and what it has accepted. */
import { createHash, createPrivateKey, type KeyObject } from 'node:crypto';
import type { Accepted, ProviderName, Submission } from './message.ts';
import type { Secrets } from './secrets.ts';

export type Acceptance =
  | { kind: 'accepted' | 'repeated'; message: Accepted }
  | { kind: 'conflict'; message: Accepted };

export class Account {
  readonly provider: ProviderName;
  readonly secrets: Secrets;
  /** Domains that are verified here; a message from any other is refused. */
  readonly domains: readonly string[];
  /** Numbers that text messages may come from. */
  readonly numbers: readonly string[];
  /** Numbers that answered STOP: their texts are refused. */
  readonly opted_out = new Set<string>();
  /** WhatsApp, by name: the word that a template has now instead of its usual one; null: it was deleted. */
  readonly template_states = new Map<string, string | null>();
  readonly messages: Accepted[] = [];
  /** So long after accepting, a message can be looked up. */
  lookup_delay_ms = 0;
  readonly #byKey = new Map<string, { message: Accepted; since: number }>();

  constructor(
    provider: ProviderName,
    secrets: Secrets,
    owned: { domains: readonly string[]; numbers: readonly string[] },
  ) {
    this.provider = provider;
    this.secrets = secrets;
    this.domains = owned.domains;
    this.numbers = owned.numbers;
  }

  /** What was accepted under this key in its life. */
  remembered(submission: Submission, now: number, life_ms: number): Accepted | null {
    const known =
      submission.idempotency_key === null ? undefined : this.#byKey.get(submission.idempotency_key);
    return known && now - known.since < life_ms ? known.message : null;
  }

  accept(submission: Submission, body: string, id: string, now: number, life_ms: number): Acceptance {
    const body_hash = createHash('sha256').update(body).digest('base64url');
    const known = this.remembered(submission, now, life_ms);
    if (known) return { kind: known.body_hash === body_hash ? 'repeated' : 'conflict', message: known };
    const message = {
      ...submission,
      id,
      provider: this.provider,
      at: new Date(now).toISOString(),
      body_hash,
    };
    this.restore(message);
    return { kind: 'accepted', message };
  }

  /** Takes a message in as accepted at its time: after a restart, from the ledger. */
  restore(message: Accepted): void {
    this.messages.push(message);
    if (message.idempotency_key !== null)
      this.#byKey.set(message.idempotency_key, { message, since: Date.parse(message.at) });
  }

  /** What a look-up can see now. */
  visible(now: number): Accepted[] {
    return this.messages.filter((message) => Date.parse(message.at) + this.lookup_delay_ms <= now);
  }

  signingKey(): KeyObject {
    return createPrivateKey(this.secrets.private_key!);
  }
}
