/** The health checks over the ledger: each names what should not be there, and what to do about it (OPS-4). */
import type { Database } from '../db/database.ts';
import { encodingProblem } from '../db/encoding.ts';
import { sql } from '../db/sql.ts';
import { unapprovedSteps } from '../plan/sequences/unapproved-steps.ts';
import { TRIPPED } from '../senders/breaker.ts';
import { unreachableSenders } from '../senders/reach.ts';
import { failingSyncs } from '../senders/templates.ts';
import type { Context } from '../tenancy/context.ts';
import type { Finding, HealthCheck } from './health-check.ts';

/** Due touches older than this mean that no worker runs, or that they cannot keep up. */
const LATE_WARN_S = 60;
const LATE_FAIL_S = 600;

interface LedgerHealth {
  not_waiting: number;
  stuck: number;
  review: number;
  late_s: number | null;
}

async function read(db: Database, ctx: Context): Promise<LedgerHealth> {
  return db.inOrg(ctx.org, (tx) => tx.one<LedgerHealth>(sql`SELECT * FROM ledger_health(${ctx.org}::uuid)`));
}

function counted(count: number, status: 'warn' | 'fail', what: string, advice: string): Finding {
  return count === 0
    ? { status: 'ok', detail: `No ${what}.`, data: { count } }
    : { status, detail: `${count} ${what}. ${advice}`, data: { count } };
}

/** Their touches wait, and nothing else says for what. */
export async function unreachable(db: Database, ctx: Pick<Context, 'org'>): Promise<Finding> {
  const senders = await db.inOrg(ctx.org, (tx) => unreachableSenders(tx, ctx.org));
  const names = senders.map(({ name, reason }) => `${name} (${reason})`).join(', ');
  const found = counted(
    senders.length,
    'fail',
    'senders cannot connect',
    `${names}. Correct the address or the account, then try each with POST /api/senders/:id/verify; what waits goes by itself.`,
  );
  return { ...found, data: { ...found.data, senders } };
}

/** A new database is refused when it is migrated; one made before that rule goes on, with damaged texts, until it is moved. */
async function encoding(db: Database): Promise<Finding> {
  const facts = await db.outsideOrgs((tx) =>
    tx.one<{ name: string; encoding: string }>(
      sql`SELECT current_database() AS name, current_setting('server_encoding') AS encoding`,
    ),
  );
  const problem = encodingProblem(facts.name, facts.encoding);
  if (problem === null) return { status: 'ok', detail: 'The database is in UTF8.' };
  return {
    status: 'fail',
    detail: `${problem} Dump this one and restore it there.`,
    data: { encoding: facts.encoding },
  };
}

/** Their steps wait; `failing`: what is known of the templates grows old. */
async function templates(db: Database, ctx: Context): Promise<Finding> {
  const { steps, failing } = await db.inOrg(ctx.org, async (tx) => ({
    steps: await unapprovedSteps(tx, ctx.org),
    failing: await failingSyncs(tx, ctx.org),
  }));
  const waiting = steps.map(
    ({ sequence, name, language, status, sender }) =>
      `${sequence.name}: ${name} (${language}) is ${status ?? 'not there'} in the account of ${sender.name}`,
  );
  const unknown = failing.map(({ name, detail }) => `the templates of ${name} cannot be fetched: ${detail}`);
  const found = counted(
    steps.length + failing.length,
    'warn',
    'WhatsApp templates are not approved, or not known',
    `${[...waiting, ...unknown].join('; ')}. Have the template approved at WhatsApp, or publish the step with another; what waits goes by itself.`,
  );
  return { ...found, data: { ...found.data, steps, failing } };
}

export const LEDGER_CHECKS: HealthCheck[] = [
  {
    name: 'waiting-touches',
    about: 'Every active enrollment waits for exactly one touch.',
    run: async (db, ctx) =>
      counted(
        (await read(db, ctx)).not_waiting,
        'fail',
        'active enrollments wait for nothing',
        'This is a bug: report it; pause and resume plans a touch.',
      ),
  },
  {
    name: 'stuck-sends',
    about: 'No touch is in `sending` long after its lease.',
    run: async (db, ctx) =>
      counted(
        (await read(db, ctx)).stuck,
        'fail',
        'touches are stuck in sending',
        'Start a worker: it finds out what became of them.',
      ),
  },
  {
    name: 'needs-review',
    about: 'No touch waits for a person to say what became of it.',
    run: async (db, ctx) =>
      counted(
        (await read(db, ctx)).review,
        'warn',
        'touches wait for a person',
        'List them with GET /api/touches?needs_review=true and resolve each.',
      ),
  },
  {
    name: 'tripped-senders',
    about: 'No sender was paused by its circuit breaker.',
    async run(db, ctx) {
      const senders = await db.inOrg(ctx.org, (tx) =>
        tx.rows<{ id: string; name: string; reason: string; since: Date }>(sql`
          SELECT id, name, status_reason AS reason, updated_at AS since FROM senders
           WHERE org_id = ${ctx.org} AND status = 'paused' AND starts_with(status_reason, ${TRIPPED}) ORDER BY id LIMIT 100`),
      );
      const found = counted(
        senders.length,
        'warn',
        'senders were paused by their circuit breakers',
        'Look at their addresses and at what their provider says, then resume them.',
      );
      return { ...found, data: { ...found.data, senders } };
    },
  },
  {
    name: 'unreachable-senders',
    about: 'The provider of every sender can be reached.',
    run: unreachable,
  },
  {
    name: 'whatsapp-templates',
    about:
      'Every WhatsApp template that a published sequence names is approved, and the lists of templates can be fetched.',
    run: templates,
  },
  { name: 'encoding', about: 'The database holds text as UTF8.', run: encoding },
  {
    name: 'lag',
    about: 'What is due goes soon.',
    async run(db, ctx) {
      const late = (await read(db, ctx)).late_s ?? 0;
      const status = late > LATE_FAIL_S ? 'fail' : late > LATE_WARN_S ? 'warn' : 'ok';
      return {
        status,
        detail: `The oldest due touch is ${Math.round(late)} s late.`,
        data: { seconds: Math.round(late) },
      };
    },
  },
];
