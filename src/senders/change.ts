/**
 * Changing a sender. Only what is named changes; every change raises `version`, so that what was composed under the
 * old settings is composed again before it goes.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { type Secrets, SecretUnreadable } from '../tenancy/secrets.ts';
import { readAddresses } from './address.ts';
import type { NewSender } from './create.ts';
import {
  type ConfigValues,
  configErrors,
  decryptedConfig,
  mergedConfig,
  sealedConfig,
} from './credentials.ts';
import { priceErrors } from './price.ts';
import { type Providers, providerOf } from './provider.ts';
import { type SenderRow, senderColumns } from './senders.ts';
import { limitErrors, refuseErrors, usualLimits } from './settings.ts';
import { type Sender, showOne } from './show.ts';
import { otherAccount } from './templates.ts';

/** `config` is a merge patch: a password that is not named stays, null takes a field away. */
export type SenderPatch = {
  [K in Exclude<keyof NewSender, 'channel' | 'provider'>]?: NewSender[K] | undefined;
};

const PLAIN = [
  'name',
  'from_name',
  'from_address',
  'reply_to',
  'daily_limit',
  'hourly_limit',
  'min_gap_s',
  'max_gap_s',
  'ramp',
  'breaker',
  'time_zone',
  'sending_window',
  'price',
] as const satisfies (keyof SenderRow)[];

/** @throws Problem not_found, conflict (archived), invalid_request with every problem */
export async function updateSender(
  db: Database,
  secrets: Secrets,
  providers: Providers,
  ctx: Context,
  id: Uuid,
  patch: SenderPatch,
): Promise<Sender> {
  return db.inOrg(ctx.org, async (tx) => {
    const before = await tx.maybe<SenderRow>(
      sql`SELECT ${senderColumns} FROM senders WHERE org_id = ${ctx.org} AND id = ${id} FOR UPDATE`,
    );
    if (!before) throw notFound('sender', id);
    if (before.status === 'archived') throw new Problem('conflict', 'The sender is archived');
    const next = usualLimits(before.channel, { ...before, ...plainChanges(patch) });
    const { addresses, errors } = readAddresses(next.channel, next);
    Object.assign(next, addresses);
    errors.push(...limitErrors(next), ...priceErrors(next.channel, next.price));
    if (patch.config !== undefined) {
      const provider = providerOf(providers, before.provider);
      const old = readable(secrets, ctx.org, before);
      const whole = mergedConfig(old, patch.config);
      errors.push(...configErrors(provider, whole));
      if (errors.length === 0 && JSON.stringify(whole) !== JSON.stringify(old)) {
        Object.assign(next, sealedConfig(secrets, ctx.org, id, whole, provider.secret_fields));
      }
    }
    refuseErrors(errors);
    const changed: string[] = PLAIN.filter(
      (key) => JSON.stringify(next[key]) !== JSON.stringify(before[key]),
    );
    const reconfigured = next.config !== before.config || next.secret !== before.secret;
    if (reconfigured) changed.push('config');
    if (changed.length === 0) return showOne(tx, ctx.org, before);
    // What was verified is this account under this address, no other.
    const unproven = reconfigured || changed.includes('from_address');
    const row = await tx.one<SenderRow>(sql`
      UPDATE senders SET version = version + 1, name = ${next.name}, from_name = ${next.from_name}, from_address = ${next.from_address},
        reply_to = ${next.reply_to}, config = ${JSON.stringify(next.config)}, secret = ${next.secret}, daily_limit = ${next.daily_limit},
        hourly_limit = ${next.hourly_limit}, min_gap_s = ${next.min_gap_s}, max_gap_s = ${next.max_gap_s},
        ramp = ${next.ramp === null ? null : JSON.stringify(next.ramp)},
        breaker = ${next.breaker === null ? null : JSON.stringify(next.breaker)}, time_zone = ${next.time_zone},
        sending_window = ${next.sending_window === null ? null : JSON.stringify(next.sending_window)},
        price = ${next.price === null ? null : JSON.stringify(next.price)},
        templates_synced_at = CASE WHEN ${!otherAccount(before, next)} THEN templates_synced_at END,
        templates_due_at = CASE WHEN ${reconfigured} THEN now() ELSE templates_due_at END,
        templates_error = CASE WHEN ${!reconfigured} THEN templates_error END,
        templates_error_since = CASE WHEN ${!reconfigured} THEN templates_error_since END,
        verified_at = ${unproven ? null : before.verified_at},
        unreachable_since = CASE WHEN ${!reconfigured} THEN unreachable_since END, updated_at = now()
      WHERE org_id = ${ctx.org} AND id = ${id} RETURNING ${senderColumns}`);
    await audit(tx, ctx, {
      action: 'sender.update',
      subject_type: 'sender',
      subject_id: id,
      data: { changed: Object.fromEntries(changed.map((key) => [key, recorded(key, before, next)])) },
    });
    return showOne(tx, ctx.org, row);
  });
}

/** A configuration's values stay out of the audit trail, which nobody can blank. */
function recorded(key: string, before: SenderRow, next: SenderRow): unknown {
  if (key === 'config') return 'changed';
  const plain = key as (typeof PLAIN)[number];
  return { from: before[plain], to: next[plain] };
}

function plainChanges(patch: SenderPatch): Partial<SenderRow> {
  const { config: _config, from, window, ...rest } = patch;
  const named = {
    ...rest,
    sending_window: window,
    from_name: from === undefined ? undefined : (from.name ?? null),
    from_address: from?.address,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** Credentials that open no more (the master secret is lost) are as good as none: whoever changes it gives them anew. */
function readable(secrets: Secrets, org: Uuid, row: SenderRow): ConfigValues {
  try {
    return decryptedConfig(secrets, org, row);
  } catch (error) {
    if (error instanceof SecretUnreadable) return row.config;
    throw error;
  }
}
