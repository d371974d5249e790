/**
 * `/api/sandbox`: the inbox that `cadenza up` sends to. A message is shown to the organization whose touch it carries,
 * and to no other.
 */
import { z } from 'zod';
import { sql } from '../../db/sql.ts';
import { isUuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';

const tag = 'Sandbox';
/** Looked through for one page: the sink is shared, so a page may hold fewer of ours. */
const SCANNED = 200;

const entry = z
  .object({
    seq: z.number().int(),
    at: z.string(),
    from: z.string(),
    to: z.array(z.string()),
    subject: z.string(),
    message_id: z.string(),
    touch_id: z.string(),
  })
  .meta({ id: 'SandboxMessage' });

export function sandboxRoutes(deps: ApiDeps): Route[] {
  const sink = (): NonNullable<ApiDeps['sink']> => {
    if (deps.sink) return deps.sink;
    throw new Problem('not_found', 'This process has no sandbox inbox; `cadenza up` has one');
  };
  /** Of these entries, those whose touch is the caller's. */
  const own = async <T extends { touch_id: string }>(org: string, entries: readonly T[]): Promise<T[]> => {
    const ids = entries.flatMap((one) => (isUuid(one.touch_id) ? [one.touch_id] : []));
    const rows = await deps.db.inOrg(org, (tx) =>
      tx.rows<{ id: string }>(
        sql`SELECT id FROM touches WHERE org_id = ${org} AND id = ANY (${ids}::uuid[])`,
      ),
    );
    const known = new Set(rows.map((row) => row.id));
    return entries.filter((one) => known.has(one.touch_id));
  };
  return [
    route({
      method: 'GET',
      path: '/api/sandbox/inbox',
      tag,
      summary: 'List messages of the sandbox inbox',
      scope: 'outreach:read',
      query: z.strictObject({
        to: z.string().max(320).optional(),
        after: z.coerce.number().int().min(0).optional(),
        limit: z.coerce.number().int().min(1).max(SCANNED).default(SCANNED),
      }),
      answers: { 200: z.object({ items: z.array(entry), next_after: z.number().int().nullable() }) },
      problems: ['not_found'],
      async handle(caller, { query }) {
        const found = await sink().list({
          ...(query.to ? { to: query.to } : {}),
          ...(query.after === undefined ? {} : { after: query.after }),
          limit: query.limit,
        });
        return ok({
          items: await own(caller.org, found),
          next_after: found.length === query.limit ? found.at(-1)!.seq : null,
        });
      },
    }),
    route({
      method: 'GET',
      path: '/api/sandbox/inbox/:seq/raw',
      tag,
      summary: 'Read the source of a message',
      scope: 'outreach:read',
      params: z.object({ seq: z.coerce.number().int().min(0).max(1e12) }),
      answers: { 200: { media: 'message/rfc822', about: 'As it was received' } },
      async handle(caller, { params }) {
        const found = await sink().get(params.seq);
        const [mine] = found ? await own(caller.org, [found.entry]) : [];
        if (!mine) throw new Problem('not_found', `There is no message ${params.seq}`);
        return ok(await sink().raw(params.seq));
      },
    }),
  ];
}
