/**
 * A provider's trial of an address before it calls it: answered by its adapter with the sender's own configuration. Reads
 * only; nothing of a trial is kept.
 */
import { decryptedConfig } from '../senders/credentials.ts';
import { senderSettings } from '../senders/senders.ts';
import { type HookDeps, openHook } from './hooks.ts';

export type Challenged = { kind: 'unknown' } | { kind: 'refused' } | { kind: 'answered'; text: string };

/** `unknown`: no such address, or its provider tries none. */
export async function answerChallenge(
  deps: HookDeps,
  token: string,
  query: URLSearchParams,
): Promise<Challenged> {
  const hook = await openHook(deps, token);
  const webhook = hook && deps.adapters.get(hook.provider)?.webhook;
  if (!hook || !webhook?.challenge) return { kind: 'unknown' };
  const sender = await senderSettings(deps.db, hook.org, hook.sender_id);
  if (!sender) return { kind: 'unknown' };
  const text = webhook.challenge(query, decryptedConfig(deps.secrets, hook.org, sender));
  return text === null ? { kind: 'refused' } : { kind: 'answered', text };
}
