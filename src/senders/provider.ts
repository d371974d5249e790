/**
 * What this room needs of a provider's adapter: to check a configuration and to try it. The composition root hands
 * the adapters in; which they are and how they send is no business of this room.
 */
import type { SenderChannel } from '../kernel/channels.ts';
import { Problem } from '../kernel/problem.ts';

export interface Verification {
  ok: boolean;
  /** One line a person can act on. */
  detail: string;
  /** In the order they were made. */
  checks: { name: string; ok: boolean; detail: string }[];
}

/** A text that the provider has to approve, as it keeps it. */
export interface Template {
  name: string;
  language: string;
  /** The provider's word: `APPROVED`, `PENDING`, `REJECTED`, `PAUSED` … */
  status: string;
  category: string | null;
  parameter_format: 'positional' | 'named';
  components: Record<string, unknown>[];
}

export interface SenderProvider {
  readonly channel: SenderChannel;
  readonly provider: string;
  /** Throws what has `issues`, as zod does, for a configuration that does not fit. */
  readonly config: { parse(input: unknown): Record<string, unknown> };
  /** Dotted paths into the configuration, e.g. `dkim.private_key`. */
  readonly secret_fields: readonly string[];
  verify(
    config: Record<string, unknown>,
    options: { timeout_ms: number; from: string },
  ): Promise<Verification>;
  /** Present where there are any. */
  templates?(
    config: Record<string, unknown>,
    options: { timeout_ms: number },
  ): Promise<{ ok: true; templates: Template[] } | { ok: false; detail: string }>;
}

/** By name, as it stands in `senders.provider`. */
export type Providers = ReadonlyMap<string, SenderProvider>;

/** @throws Problem invalid_request naming those that exist */
export function providerOf(providers: Providers, name: string): SenderProvider {
  const provider = providers.get(name);
  if (provider) return provider;
  const known = [...providers.keys()].sort().join(', ');
  throw new Problem('invalid_request', `There is no provider "${name}"`, {
    errors: [{ field: 'provider', code: 'unknown_provider', message: `One of: ${known}` }],
  });
}
