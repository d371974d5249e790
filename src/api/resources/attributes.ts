/** The custom attributes of contacts. */
import { z } from 'zod';
import { defineAttribute, listAttributes } from '../../contacts/attribute-definition.ts';
import { ATTRIBUTE_TYPES } from '../../contacts/attribute-value.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { line } from '../schemas.ts';

const tag = 'Contacts';

const attribute = z
  .object({ key: z.string(), type: z.enum(ATTRIBUTE_TYPES), label: z.string() })
  .meta({ id: 'Attribute' });

const definition = z.strictObject({
  key: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'must be lower-case letters, digits and underscores'),
  type: z.enum(ATTRIBUTE_TYPES),
  label: line(200),
});

export function attributeRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/attributes',
      tag,
      summary: 'List the custom attributes of contacts',
      scope: 'contacts:read',
      answers: { 200: z.object({ items: z.array(attribute) }) },
      handle: async (caller) => ok({ items: await listAttributes(db, caller) }),
    }),
    route({
      method: 'POST',
      path: '/api/attributes',
      tag,
      summary: 'Define a custom attribute',
      about: 'Again with the same key and type, it gets the new label. A type stays what it was.',
      scope: 'contacts:write',
      body: definition,
      answers: { 200: attribute },
      problems: ['conflict'],
      handle: async (caller, { body }) => ok(await defineAttribute(db, caller, body)),
    }),
  ];
}
