/** Contacts, their tags, and what they have agreed to. */
import { z } from 'zod';
import { changeTags, listTags, MAX_TAGGED } from '../../contacts/change-tags.ts';
import { grantConsent, listConsents } from '../../contacts/consent.ts';
import { getContact } from '../../contacts/contact.ts';
import { createContact, updateContact } from '../../contacts/save-contact.ts';
import { searchContacts } from '../../contacts/search-contacts.ts';
import { SUPPRESSION_REASONS } from '../../contacts/suppression.ts';
import { ADDRESS_KINDS, CONSENT_CHANNELS, SUPPRESSION_KINDS } from '../../kernel/channels.ts';
import { unsubscribe } from '../../plan/stop.ts';
import type { ApiDeps } from '../deps.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery, time, timeIn } from '../schemas.ts';

const tag = 'Contacts';

const text = z.string().nullable();
const attributeValue = z.union([z.string(), z.number(), z.boolean()]);

export const contact = z.object({
  id,
  version: z.number().int().describe('Rises with each change of the contact'),
  external_id: text,
  first_name: text,
  last_name: text,
  company: text,
  title: text,
  email: text,
  phone: text.describe('E.164'),
  whatsapp: text.describe('E.164'),
  linkedin: text,
  telegram: text,
  locale: text,
  time_zone: text.describe('IANA time zone'),
  time_zone_from: z.enum(['given', 'phone']).nullable(),
  attributes: z.record(z.string(), attributeValue),
  tags: z.array(z.string()),
  created_at: time,
  updated_at: time,
});

const consentStatus = z.enum(['granted', 'revoked']);

const contactDetail = contact
  .extend({
    addresses: z.array(z.object({ kind: z.enum(ADDRESS_KINDS), address: z.string(), label: text })),
    consent: z
      .partialRecord(z.enum(CONSENT_CHANNELS), consentStatus)
      .describe('Per channel; a channel without an entry was never asked'),
    suppressed: z.array(
      z.object({
        kind: z.enum(SUPPRESSION_KINDS),
        address: z.string(),
        reason: z.enum(SUPPRESSION_REASONS),
      }),
    ),
  })
  .meta({ id: 'Contact' });

const given = z.string().max(1_000).nullable().optional();

const contactInput = z.strictObject({
  external_id: given,
  first_name: given,
  last_name: given,
  company: given,
  title: given,
  email: given,
  phone: given.describe('In any spelling; without + it needs default_country'),
  whatsapp: given,
  linkedin: given,
  telegram: given,
  locale: given,
  time_zone: given.describe('Left out, it is inferred from the phone number where that says it'),
  attributes: z
    .record(z.string().max(63), attributeValue.nullable())
    .optional()
    .describe('Merged by key; null takes one away. Keys are defined under /api/attributes'),
  tags: z.array(z.string().max(200)).max(100).optional().describe('All of them: others are taken off'),
  addresses: z
    .array(z.strictObject({ kind: z.enum(ADDRESS_KINDS), address: z.string().max(1_000), label: given }))
    .max(50)
    .optional()
    .describe('Further addresses, all of them'),
  default_country: z.string().max(2).optional().describe('ISO 3166 code for phone numbers without +'),
});

const searchQuery = pageQuery.extend({
  q: z.string().max(200).optional().describe('Beginning of name, last name, company, e-mail or phone'),
  tag: z.string().max(200).optional(),
  segment_id: id.optional().describe('Only those who are in this segment now'),
});

const tagChange = z.strictObject({
  contact_ids: z.array(id).min(1).max(MAX_TAGGED),
  add: z.array(z.string().max(200)).max(100).optional(),
  remove: z.array(z.string().max(200)).max(100).optional(),
});

const consent = z
  .object({
    id,
    channel: z.enum(CONSENT_CHANNELS),
    status: consentStatus,
    source: z.string(),
    evidence: text,
    actor_type: z.string(),
    actor_id: z.string(),
    at: time,
  })
  .meta({ id: 'Consent' });

const newConsent = z.strictObject({
  channel: z.enum(CONSENT_CHANNELS),
  source: line(200).describe('Where it came from: a form, a call'),
  evidence: z.string().max(10_000).optional().describe('What proves it'),
  obtained_at: timeIn.optional().describe('When the person said so; default now'),
});

export function contactRoutes(deps: ApiDeps): Route[] {
  return [...cardRoutes(deps), ...tagRoutes(deps), ...consentRoutes(deps)];
}

function cardRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/contacts',
      tag,
      summary: 'Search contacts',
      about:
        'Newest first; with `q` in the order of what was searched: name, last name, company, e-mail, phone.',
      scope: 'contacts:read',
      query: searchQuery,
      answers: { 200: page(contact) },
      problems: ['not_found'],
      handle: async (caller, { query: { q, tag: tagged, segment_id, ...wanted } }) =>
        ok(await searchContacts(db, caller, { q, tag: tagged, segment_id }, wanted)),
    }),
    route({
      method: 'POST',
      path: '/api/contacts',
      tag,
      summary: 'Create a contact',
      scope: 'contacts:write',
      body: contactInput,
      answers: { 201: contactDetail },
      problems: ['duplicate_contact'],
      handle: async (caller, { body }) => {
        const made = await createContact(db, caller, body);
        return created(made, `/api/contacts/${made.id}`);
      },
    }),
    route({
      method: 'GET',
      path: '/api/contacts/:id',
      tag,
      summary: 'Read a contact',
      scope: 'contacts:read',
      params: idParams,
      answers: { 200: contactDetail },
      handle: async (caller, { params }) => ok(await getContact(db, caller, params.id)),
    }),
    route({
      method: 'PATCH',
      path: '/api/contacts/:id',
      tag,
      summary: 'Change a contact',
      about: 'Only what is given; null empties a field. Consent and suppression are not changed by an edit.',
      scope: 'contacts:write',
      params: idParams,
      body: contactInput,
      answers: { 200: contactDetail },
      problems: ['duplicate_contact'],
      handle: async (caller, { params, body }) => ok(await updateContact(db, caller, params.id, body)),
    }),
  ];
}

function tagRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/contacts/tags',
      tag,
      summary: 'Put tags on contacts and take tags off',
      about: 'All of these contacts or, when one does not exist, none.',
      scope: 'contacts:write',
      body: tagChange,
      answers: { 200: z.object({ added: z.number().int(), removed: z.number().int() }) },
      problems: ['not_found'],
      handle: async (caller, { body }) => ok(await changeTags(db, caller, body)),
    }),
    route({
      method: 'GET',
      path: '/api/tags',
      tag,
      summary: 'List tags',
      scope: 'contacts:read',
      answers: {
        200: z.object({ items: z.array(z.object({ tag: z.string(), contacts: z.number().int() })) }),
      },
      handle: async (caller) => ok({ items: await listTags(db, caller) }),
    }),
  ];
}

function consentRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/contacts/:id/consents',
      tag,
      summary: 'Read the consent ledger of a contact',
      scope: 'contacts:read',
      params: idParams,
      query: pageQuery,
      answers: { 200: page(consent) },
      handle: async (caller, { params, query }) => ok(await listConsents(db, caller, params.id, query)),
    }),
    route({
      method: 'POST',
      path: '/api/contacts/:id/consents',
      tag,
      summary: 'Record that a contact agreed',
      about:
        'After an opt-out this is a re-consent: it needs `evidence` that is newer than the opt-out and was not used before.',
      scope: 'contacts:write',
      params: idParams,
      body: newConsent,
      answers: { 201: consent },
      problems: ['conflict'],
      handle: async (caller, { params, body }) =>
        created(await grantConsent(db, caller, { contact_id: params.id, ...body })),
    }),
    route({
      method: 'POST',
      path: '/api/contacts/:id/unsubscribe',
      tag,
      summary: 'Opt a contact out',
      about:
        'Revokes the consent, suppresses the address, ends enrollments and cancels what is planned; the receipt lists what is in flight.',
      scope: 'contacts:write',
      params: idParams,
      body: z.strictObject({
        channel: z.enum(CONSENT_CHANNELS).default('email'),
        evidence: z.string().max(10_000).optional().describe('The words, the call'),
      }),
      answers: { 200: z.object({ receipt: z.looseObject({ id }) }) },
      handle: async (caller, { params, body }) => {
        const { channel, evidence = null } = body;
        const receipt = await unsubscribe(db, caller, {
          contact_id: params.id,
          channel,
          evidence,
          source: 'api',
        });
        return ok({ receipt });
      },
    }),
  ];
}
