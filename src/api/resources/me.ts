/** `/api/me`: who calls, and where they have shown to read what is sent to them. */
import { z } from 'zod';
import { MAIL_OUTCOMES } from '../../dispatch/member-mail.ts';
import { proveAddress } from '../../dispatch/prove-address.ts';
import { SENDER_CHANNELS } from '../../kernel/channels.ts';
import {
  deleteAddress,
  MEMBER_ADDRESS_KINDS,
  verifyAddress,
  whoAmI,
} from '../../tenancy/member-addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, role, time } from '../schemas.ts';

const tag = 'Me';
const path = '/api/me/addresses';

const address = z
  .object({
    id,
    kind: z.enum(MEMBER_ADDRESS_KINDS),
    address: z.string(),
    verified_at: time.nullable().describe('null: its code was not given back yet'),
    created_at: time,
  })
  .meta({ id: 'MemberAddress' });

const me = z
  .object({
    organization_id: id,
    actor: z.object({ type: z.string(), id: z.string(), name: z.string() }),
    role,
    scopes: z.array(z.string()),
    member: z
      .object({ id, email: z.string(), name: z.string(), role })
      .nullable()
      .describe('null: the credential belongs to no member'),
    addresses: z.array(address),
  })
  .meta({ id: 'Me' });

export const mailResult = z.object({
  id,
  outcome: z
    .enum(MAIL_OUTCOMES)
    .describe('`unknown`: the provider’s answer is missing, and it may have gone; nothing is tried again'),
  reason: z.string().nullable(),
  detail: z.string().nullable().describe('What the provider said'),
  to: z.string(),
  sender_id: id,
  channel: z.enum(SENDER_CHANNELS),
});

const newAddress = z.strictObject({
  kind: z.enum(MEMBER_ADDRESS_KINDS),
  address: line(254).describe('A phone number with its country: +49 30 123456'),
  sender_id: id.describe(
    'The sender that the code goes through: of e-mail, or of SMS or WhatsApp for a phone',
  ),
});

const code = z.strictObject({
  code: z
    .string()
    .trim()
    .regex(/^\d{6}$/, 'must be six digits'),
});

export function meRoutes({ db, engine }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/me',
      tag,
      summary: 'Who is calling',
      scope: 'members:read',
      answers: { 200: me },
      handle: async (caller) => ok(await whoAmI(db, caller)),
    }),
    route({
      method: 'POST',
      path,
      tag,
      summary: 'Send a code to an address of your own',
      about:
        'The code works for 15 minutes and five tries; another one replaces it. At most five codes an hour for a member, 20 messages to members an hour for the organization. It uses quota of its sender, and goes under the same switches as everything else.',
      scope: 'outreach:write',
      body: newAddress,
      answers: { 201: z.object({ address, code: mailResult }) },
      problems: ['no_member', 'member_mail_refused', 'conflict', 'not_found'],
      handle: async (caller, { body }) => created(await proveAddress(engine, caller, body)),
    }),
    route({
      method: 'POST',
      path: `${path}/:id/verify`,
      tag,
      summary: 'Give the code back',
      scope: 'outreach:write',
      params: idParams,
      body: code,
      answers: { 200: address },
      problems: ['no_member', 'code_refused'],
      handle: async (caller, { params, body }) => ok(await verifyAddress(db, caller, params.id, body.code)),
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id`,
      tag,
      summary: 'Remove an address of your own',
      scope: 'outreach:write',
      params: idParams,
      answers: { 204: null },
      problems: ['no_member'],
      handle: async (caller, { params }) => {
        await deleteAddress(db, caller, params.id);
        return { status: 204 };
      },
    }),
  ];
}
