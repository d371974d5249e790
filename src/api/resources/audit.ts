/** `/api/audit` and `/api/security-events`: who did what, and who tried. Both can only grow. */
import { z } from 'zod';
import { listAudit } from '../../tenancy/audit.ts';
import { listSecurityEvents, SECURITY_EVENT_KINDS } from '../../tenancy/security-events.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { id, page, pageQuery, time } from '../schemas.ts';

const auditRecord = z
  .object({
    id,
    at: time,
    actor_type: z.string(),
    actor_id: z.string(),
    actor_name: z.string(),
    action: z.string().describe('`<noun>.<verb>`'),
    subject_type: z.string(),
    subject_id: z.string(),
    data: z.record(z.string(), z.unknown()),
    request_id: z.string().nullable(),
  })
  .meta({ id: 'AuditRecord' });

const kind = z.enum(SECURITY_EVENT_KINDS);

const securityEvent = z
  .object({
    id,
    at: time,
    kind,
    actor_type: z.string(),
    actor_id: z.string(),
    ip: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
    request_id: z.string().nullable(),
    count: z.number().int().describe('Over 1: further events of this caller within the minute, counted'),
  })
  .meta({ id: 'SecurityEvent' });

const auditQuery = pageQuery.extend({
  subject_type: z.string().max(100).optional(),
  subject_id: z.string().max(200).optional(),
});

export function auditRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/audit',
      tag: 'Audit',
      summary: 'Read the audit trail, newest first',
      scope: 'audit:read',
      query: auditQuery,
      answers: { 200: page(auditRecord) },
      handle: async (caller, { query }) => ok(await listAudit(db, caller, query)),
    }),
    route({
      method: 'GET',
      path: '/api/security-events',
      tag: 'Audit',
      summary: 'Read security events, newest first',
      about: 'Ids asked for that are not of this organization, calls beyond a role, and uses of dead keys.',
      scope: 'audit:read',
      query: pageQuery.extend({ kind: kind.optional() }),
      answers: { 200: page(securityEvent) },
      handle: async (caller, { query }) => ok(await listSecurityEvents(db, caller, query)),
    }),
  ];
}
