/** `/api/api-keys`: the example that docs/adding-a-resource.md walks through. */
import { z } from 'zod';
import { createApiKey, getApiKey, listApiKeys, revokeApiKey } from '../../tenancy/api-keys.ts';
import type { ApiDeps } from '../deps.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery, role, scope, time, timeIn } from '../schemas.ts';

const tag = 'API keys';

const apiKey = z
  .object({
    id,
    name: z.string(),
    prefix: z.string().describe('The first characters of the key, to recognise it by'),
    role,
    scopes: z.array(scope).describe('Empty: all scopes of the role'),
    member_id: id.nullable().describe('Whose it is; null: nobody’s in particular'),
    created_by: z.string(),
    created_at: time,
    expires_at: time.nullable(),
    last_used_at: time.nullable().describe('To the minute'),
    revoked_at: time.nullable(),
  })
  .meta({ id: 'ApiKey' });

const newApiKey = z.strictObject({
  name: line(200),
  role: role.default('member'),
  scopes: z.array(scope).max(50).optional().describe('Narrows the role; empty or absent: all it has'),
  expires_at: timeIn.nullable().optional(),
  member_id: id
    .nullable()
    .optional()
    .describe(
      'A member whose key it shall be: it may no more than the member, and ends when the member is disabled',
    ),
});

export function apiKeyRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/api-keys',
      tag,
      summary: 'List API keys',
      scope: 'keys:read',
      query: pageQuery,
      answers: { 200: page(apiKey) },
      handle: async (caller, { query }) => ok(await listApiKeys(db, caller, query)),
    }),
    route({
      method: 'POST',
      path: '/api/api-keys',
      tag,
      summary: 'Make an API key',
      about: 'The answer is the only place the key itself is ever shown.',
      scope: 'keys:write',
      body: newApiKey,
      answers: { 201: apiKey.extend({ key: z.string().describe('Shown once') }) },
      problems: ['conflict', 'not_found'],
      handle: async (caller, { body }) => {
        const key = await createApiKey(db, caller, body);
        return created(key, `/api/api-keys/${key.id}`);
      },
    }),
    route({
      method: 'GET',
      path: '/api/api-keys/:id',
      tag,
      summary: 'Read an API key',
      scope: 'keys:read',
      params: idParams,
      answers: { 200: apiKey },
      handle: async (caller, { params }) => ok(await getApiKey(db, caller, params.id)),
    }),
    route({
      method: 'DELETE',
      path: '/api/api-keys/:id',
      tag,
      summary: 'Revoke an API key',
      about: 'It opens nothing from the next request on. Revoking again is no error.',
      scope: 'keys:write',
      params: idParams,
      answers: { 200: apiKey },
      handle: async (caller, { params }) => ok(await revokeApiKey(db, caller, params.id)),
    }),
  ];
}
