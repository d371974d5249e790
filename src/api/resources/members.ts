/** `/api/members`: the people of the organization. */
import { z } from 'zod';
import { createMember, listMembers, updateMember } from '../../tenancy/members.ts';
import type { ApiDeps } from '../deps.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery, role, time } from '../schemas.ts';

const tag = 'Members';

const member = z
  .object({
    id,
    email: z.string(),
    name: z.string(),
    role,
    created_at: time,
    disabled_at: time.nullable(),
  })
  .meta({ id: 'Member' });

const newMember = z.strictObject({ email: z.email().max(254), name: line(200), role });

const patch = z.strictObject({
  name: line(200).optional(),
  role: role.optional(),
  disabled: z.boolean().optional().describe('A disabled member can do nothing'),
});

export function memberRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/members',
      tag,
      summary: 'List members',
      scope: 'members:read',
      query: pageQuery,
      answers: { 200: page(member) },
      handle: async (caller, { query }) => ok(await listMembers(db, caller, query)),
    }),
    route({
      method: 'POST',
      path: '/api/members',
      tag,
      summary: 'Add a member',
      scope: 'members:write',
      body: newMember,
      answers: { 201: member },
      problems: ['conflict'],
      handle: async (caller, { body }) => created(await createMember(db, caller, body)),
    }),
    route({
      method: 'PATCH',
      path: '/api/members/:id',
      tag,
      summary: 'Change a member',
      about: 'An organization keeps at least one owner who is not disabled.',
      scope: 'members:write',
      params: idParams,
      body: patch,
      answers: { 200: member },
      problems: ['conflict'],
      handle: async (caller, { params, body }) => ok(await updateMember(db, caller, params.id, body)),
    }),
  ];
}
