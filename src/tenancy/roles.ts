/**
 * What a caller may do. A scope is `area:read` or `area:write`; a role is a set of scopes; an API key may be narrowed
 * to some of its role's scopes. A route asks for one scope.
 */
import type { Uuid } from '../kernel/ids.ts';
import { Problem } from '../kernel/problem.ts';
import type { Context, Role } from './context.ts';

export const SCOPES = [
  'contacts:read',
  'contacts:write',
  'outreach:read',
  'outreach:write',
  'senders:read',
  'senders:write',
  'settings:read',
  'settings:write',
  'members:read',
  'members:write',
  'keys:read',
  'keys:write',
  'audit:read',
] as const;
export type Scope = (typeof SCOPES)[number];

const VIEWER = ['contacts:read', 'outreach:read', 'senders:read', 'settings:read', 'members:read'] as const;
const MEMBER = [...VIEWER, 'contacts:write', 'outreach:write'] as const;
const ADMIN = SCOPES;

/** An owner may do what an admin may, and deal with owners besides (`mayGrant`). */
const ROLE_SCOPES: Record<Role, readonly Scope[]> = {
  viewer: VIEWER,
  member: MEMBER,
  admin: ADMIN,
  owner: ADMIN,
};

const RANK: Record<Role, number> = { viewer: 0, member: 1, admin: 2, owner: 3 };

/** A caller whose credential was checked. */
export interface Caller extends Context {
  readonly role: Role;
  readonly scopes: readonly Scope[];
  /** Whose credential it is; null or absent: nobody's in particular. */
  readonly member_id?: Uuid | null;
}

/** A key's scopes: all of its role's, or those of its list that the role has. */
export function scopesOf(role: Role, listed: readonly string[]): readonly Scope[] {
  const all = ROLE_SCOPES[role];
  return listed.length === 0 ? all : all.filter((scope) => listed.includes(scope));
}

/** @throws Problem forbidden */
export function requireScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.includes(scope)) return;
  throw new Problem('forbidden', `This needs the scope ${scope}; the credential's role is ${caller.role}`);
}

/** Does `role` allow no more than `other`? */
export function isWithin(role: Role, other: Role): boolean {
  return RANK[role] <= RANK[other];
}

/**
 * Nobody hands out, takes away or changes more than they have themselves.
 * @throws Problem forbidden
 */
export function requireRank(caller: Caller, role: Role): void {
  if (isWithin(role, caller.role)) return;
  throw new Problem(
    'forbidden',
    `A credential with the role ${caller.role} has no say over the role ${role}`,
  );
}
