/** `/api/hooks` and `/hooks/:connection`: the addresses that providers call, and the calls. */
import { z } from 'zod';
import { answerChallenge } from '../../inbound/challenge.ts';
import {
  createHook,
  deleteHook,
  type Hook,
  listHooks,
  MAX_HOOK_SECRETS,
  replaceHookSecrets,
} from '../../inbound/hooks.ts';
import { readInboundNow } from '../../inbound/interpret.ts';
import { receiveCall } from '../../inbound/receive.ts';
import { Problem } from '../../kernel/problem.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, created, ok, publicRoute, type Route, route } from '../route.ts';
import { id, idParams, page, pageQuery, time } from '../schemas.ts';

const tag = 'Hooks';
const path = '/api/hooks';
/** SendGrid and Mailgun put a thousand events into one. */
const CALL_BYTES = 2 * 1024 * 1024;

const secrets = z
  .array(z.string().min(1).max(4_000))
  .max(MAX_HOOK_SECRETS)
  .describe(
    'What the provider signs with, or calls with; two while one replaces the other. Never shown again',
  );

const hook = z
  .object({
    id,
    sender_id: id,
    provider: z.string(),
    secret_kind: z.string().describe('What a secret is for this provider'),
    secret_count: z.number().int(),
    created_by: z.string(),
    created_at: time,
  })
  .meta({ id: 'Hook' });

const made = hook.extend({
  url: z.string().describe('What to give to the provider. Shown once: it is kept as a hash'),
});

export function hookRoutes(deps: ApiDeps): Route[] {
  return [...settings(deps), trials(deps), calls(deps)];
}

function settings(deps: ApiDeps): Route[] {
  const { db, adapters } = deps;
  const shown = (row: Hook) => ({ ...row, secret_kind: adapters.get(row.provider)?.webhook?.secret ?? '' });
  return [
    route({
      method: 'POST',
      path,
      tag,
      summary: 'Make an address for a sender’s provider to call',
      scope: 'senders:write',
      body: z.strictObject({ sender_id: id, secrets: secrets.default([]) }),
      answers: { 201: made },
      problems: ['not_found'],
      handle: async (caller, { body }) => {
        const { token, ...row } = await createHook(deps, caller, body);
        return created({ ...shown(row), url: `${deps.publicUrl()}/hooks/${token}` });
      },
    }),
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List the addresses that providers call',
      scope: 'senders:read',
      query: pageQuery.extend({ sender_id: id.optional() }),
      answers: { 200: page(hook) },
      handle: async (caller, { query }) => {
        const { items, next_cursor } = await listHooks(db, caller, query);
        return ok({ items: items.map(shown), next_cursor });
      },
    }),
    route({
      method: 'PATCH',
      path: `${path}/:id`,
      tag,
      summary: 'Replace its secrets',
      scope: 'senders:write',
      params: idParams,
      body: z.strictObject({ secrets }),
      answers: { 200: hook },
      handle: async (caller, { params, body }) =>
        ok(shown(await replaceHookSecrets(deps, caller, params.id, body.secrets))),
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id`,
      tag,
      summary: 'Close it: its address is dead at once',
      scope: 'senders:write',
      params: idParams,
      answers: { 204: null },
      handle: async (caller, { params }) => {
        await deleteHook(db, caller, params.id);
        return { status: 204 };
      },
    }),
  ];
}

function trials(deps: ApiDeps): Route {
  return publicRoute({
    method: 'GET',
    path: '/hooks/:connection',
    tag: 'Public',
    summary: 'A provider tries the address',
    about:
      'Meta does before it calls: `hub.challenge` comes back when `hub.verify_token` is the sender’s `webhook_verify_token`. Nothing is stored.',
    secretPath: true,
    lenient: true,
    params: z.object({ connection: z.string().describe('The secret part of the address') }),
    answers: { 200: { media: 'text/plain', about: 'The challenge' } },
    problems: ['not_found', 'forbidden'],
    handle: async (_from, { params, request }) => {
      const { searchParams } = new URL(request.raw.url ?? '/', 'http://hook');
      const answer = await answerChallenge(deps, params.connection, searchParams);
      if (answer.kind === 'unknown') throw new Problem('not_found', 'Nothing has this address');
      if (answer.kind === 'refused')
        throw new Problem('forbidden', 'The verify token is not the one that is kept');
      return { status: 200, body: answer.text, headers: { 'content-type': 'text/plain; charset=utf-8' } };
    },
  });
}

/** Without a body: what a text provider is answered with is sent to the recipient. */
const THANKS: Answer = { status: 200 };

function calls(deps: ApiDeps): Route {
  const log = deps.logger;
  return publicRoute({
    method: 'POST',
    path: '/hooks/:connection',
    tag: 'Public',
    summary: 'What a provider tells',
    about:
      'Verified by the provider’s own signature, stored as it came, then answered. Each event counts once, in any order and however often it is told.',
    secretPath: true,
    raw: CALL_BYTES,
    params: z.object({ connection: z.string().describe('The secret part of the address') }),
    answers: { 200: null },
    problems: ['not_found', 'forbidden', 'payload_too_large', 'unsupported_media_type'],
    handle: async (_from, { params, request }) => {
      const { body, headers, raw, protocol, host } = request;
      const received = await receiveCall({ ...deps, log }, params.connection, {
        headers,
        url: `${deps.config.public_url ?? `${protocol}://${host}`}${raw.url ?? ''}`,
        body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      });
      if (received.kind === 'unknown') throw new Problem('not_found', 'Nothing has this address');
      if (received.kind === 'refused')
        throw new Problem(
          received.reason === 'unreadable' ? 'malformed_request' : 'forbidden',
          received.detail,
        );
      if (received.kind === 'stored' && received.fresh > 0)
        await readInboundNow({ db: deps.db, versions: deps.versions, log }, received.hook.org);
      return THANKS;
    },
  });
}
