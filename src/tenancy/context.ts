/** Who asks, and for which organization: handed to every public function of a module as its first argument after the database. */
import type { Uuid } from '../kernel/ids.ts';

export const ROLES = ['owner', 'admin', 'member', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

export interface Actor {
  type: 'api_key' | 'member' | 'worker' | 'system' | 'contact';
  id: string;
  name: string;
}

/** The organization comes from the credential alone (TEN-1). */
export interface Context {
  readonly org: Uuid;
  readonly actor: Actor;
  readonly request_id?: string;
  readonly ip?: string;
}

/** How an actor is written into rows that keep one text: `api_key:0190…`. */
export function actorText(actor: Actor): string {
  return `${actor.type}:${actor.id}`;
}
