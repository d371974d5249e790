/** The API's description of itself: `/api/openapi.json`, and a page to read it at `/api/docs`. */
import swagger from '@fastify/swagger';
import scalar from '@scalar/fastify-api-reference';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

const ABOUT = `Every call needs \`Authorization: Bearer <API key>\`; the organization comes from it alone.
Errors are RFC 9457 problem documents with a stable \`code\`. Every write takes an \`Idempotency-Key\` header: the same
request under the same key within 24 hours runs once and gets the same answer again. Lists go by cursor: pass
\`next_cursor\` of one page as \`cursor\` of the next.`;

/** The page runs its own script, which sets styles as it goes; everything comes from this server. */
const PAGE_POLICY =
  "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

export async function installDescription(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Cadenza', description: ABOUT, version: '1' },
      components: {
        securitySchemes: { api_key: { type: 'http', scheme: 'bearer', description: 'An API key: cdz_…' } },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
}

export async function installReference(app: FastifyInstance): Promise<void> {
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => describe(app));
  await app.register(async (scope) => {
    scope.addHook('onSend', async (_request, reply) => {
      reply.header('content-security-policy', PAGE_POLICY);
    });
    await scope.register(scalar, {
      routePrefix: '/api/docs',
      configuration: { url: '/api/openapi.json', withDefaultFonts: false },
    });
  });
}

type Json = { [key: string]: unknown };

/** Every schema is registered for requests and for answers; only the used ones are shown. */
function withoutUnused(document: Json): Json {
  const components = document.components as Json;
  const schemas = components.schemas as Json;
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const name =
        key === '$ref' && typeof inner === 'string' ? inner.replace('#/components/schemas/', '') : null;
      if (name === null) visit(inner);
      else if (!used.has(name)) {
        used.add(name);
        visit(schemas[name]);
      }
    }
  };
  visit(document.paths);
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...document, components: { ...components, schemas: kept } };
}

/** Forms are read part by part, so no validator knows them; their description travels as `x-form`. */
function withForms(document: Json): Json {
  for (const item of Object.values(document.paths as Record<string, Record<string, Json>>))
    for (const operation of Object.values(item)) {
      const { 'x-form': schema } = operation;
      if (schema === undefined) continue;
      delete operation['x-form'];
      operation.requestBody = { required: true, content: { 'multipart/form-data': { schema } } };
    }
  return document;
}

let described: { app: FastifyInstance; document: Json } | null = null;

/** The OpenAPI document. The server must be ready. */
export function describe(app: FastifyInstance): Json {
  if (described?.app !== app)
    described = {
      app,
      document: withForms(withoutUnused(structuredClone(app.swagger()) as unknown as Json)),
    };
  return described.document;
}
