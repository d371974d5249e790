/** `/api/receipts/:id`: what a stop acknowledged, and what became of it since. */
import { z } from 'zod';
import { drainedReceipt, getReceipt } from '../../ledger/receipts.ts';
import type { ApiDeps } from '../deps.ts';
import { receipt, waitQuery } from '../receipt.ts';
import { ok, type Route, route } from '../route.ts';
import { idParams } from '../schemas.ts';

const MAX_OFFSET = 1_000_000;

export function receiptRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/receipts/:id',
      tag: 'Receipts',
      summary: 'Read a receipt',
      about:
        'What was in flight when a stop was acknowledged, with its true outcome once it has one. Long lists come in pages: ask again with `offset` = `next_offset`.',
      scope: 'outreach:read',
      params: idParams,
      query: waitQuery.extend({ offset: z.coerce.number().int().min(0).max(MAX_OFFSET).default(0) }),
      answers: { 200: receipt },
      handle: async (caller, { params, query }) => {
        if (query.wait) await drainedReceipt(db, caller.org, params.id, query.wait);
        return ok(await getReceipt(db, caller.org, params.id, query.offset));
      },
    }),
  ];
}
