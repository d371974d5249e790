/**
 * WhatsApp templates refresh by themselves [EXE-11]: about hourly for each active sender whose provider keeps any, the
 * senders spread over the hour. Whose turn it is is one statement over all organizations (template-turns.sql). In: a
 * housekeeping job that comes every minute. Out: templates as the provider has them now; what failed stands at the sender.
 */
import type { Logger } from 'pino';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Context } from '../tenancy/context.ts';
import type { Secrets } from '../tenancy/secrets.ts';
import type { Providers } from './provider.ts';
import { syncInTurn } from './templates.ts';

export const SYNC_TEMPLATES = 'sync_templates';

/** For all pages of one sender. */
const CALL_TIMEOUT_MS = 15_000;
/** Asked at once; one that does not answer keeps seven others waiting for as long as its time-out at most. */
const AT_ONCE = 8;
/** No new ones are begun after this; who is left is first in the next minute. */
const RUN_MS = 40_000;

export interface TurnsDeps {
  db: Database;
  secrets: Secrets;
  adapters: Providers;
  logger: Pick<Logger, 'warn'>;
  now?: () => Date;
}

/** Every sender whose turn has come. Returns how many were asked. */
export async function syncTurns(
  deps: TurnsDeps,
  signal?: AbortSignal,
  timeout_ms = CALL_TIMEOUT_MS,
): Promise<number> {
  const keeping = [...deps.adapters.values()].filter((one) => one.templates).map((one) => one.provider);
  const begun = performance.now();
  let asked = 0;
  while (!signal?.aborted && performance.now() - begun < RUN_MS) {
    const turns = await deps.db.call<{ org_id: Uuid; id: Uuid }>(sql`
      SELECT * FROM template_turns_take(${keeping}::text[], ${AT_ONCE}::int, ${deps.now?.() ?? null}::timestamptz)`);
    await Promise.all(turns.map(({ org_id, id }) => syncOne(deps, org_id, id, timeout_ms)));
    asked += turns.length;
    if (turns.length < AT_ONCE) break;
  }
  return asked;
}

/** Whatever goes wrong is this sender's alone. */
async function syncOne(
  { db, secrets, adapters, logger }: TurnsDeps,
  org: Uuid,
  id: Uuid,
  timeout_ms: number,
): Promise<void> {
  const ctx: Context = { org, actor: { type: 'system', id: SYNC_TEMPLATES, name: 'template refresh' } };
  try {
    await syncInTurn(db, secrets, adapters, ctx, id, timeout_ms);
  } catch (error) {
    logger.warn({ org_id: org, sender_id: id, error }, 'the templates of a sender could not be refreshed');
  }
}
