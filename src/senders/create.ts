/** Making a sender: checked by its provider's adapter, its credentials sealed before they reach the database. */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { SenderChannel } from '../kernel/channels.ts';
import { newId } from '../kernel/ids.ts';
import { Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import type { Secrets } from '../tenancy/secrets.ts';
import { readAddresses } from './address.ts';
import type { Breaker } from './breaker.ts';
import { configErrors, sealedConfig } from './credentials.ts';
import { type Price, priceErrors } from './price.ts';
import { type Providers, providerOf } from './provider.ts';
import type { Ramp } from './ramp.ts';
import { type SenderRow, type SenderWindow, senderColumns } from './senders.ts';
import { limitErrors, refuseErrors, usualLimits } from './settings.ts';
import { type Sender, showOne } from './show.ts';

export interface NewSender {
  channel: SenderChannel;
  provider: string;
  name: string;
  from: { name?: string | null | undefined; address: string };
  reply_to?: string | null | undefined;
  config: Record<string, unknown>;
  daily_limit?: number | null | undefined;
  hourly_limit?: number | null | undefined;
  min_gap_s?: number | null | undefined;
  max_gap_s?: number | null | undefined;
  ramp?: Ramp | null | undefined;
  breaker?: Breaker | null | undefined;
  time_zone?: string | null | undefined;
  window?: SenderWindow | null | undefined;
  price?: Price | null | undefined;
}

/** @throws Problem invalid_request with every problem */
export async function createSender(
  db: Database,
  secrets: Secrets,
  providers: Providers,
  ctx: Context,
  wanted: NewSender,
): Promise<Sender> {
  const provider = providerOf(providers, wanted.provider);
  if (provider.channel !== wanted.channel) {
    throw new Problem('invalid_request', `${wanted.provider} does not serve ${wanted.channel}`, {
      errors: [{ field: 'provider', code: 'other_channel', message: `It serves ${provider.channel}` }],
    });
  }
  const limits = usualLimits(wanted.channel, {
    daily_limit: wanted.daily_limit ?? null,
    hourly_limit: wanted.hourly_limit ?? null,
    min_gap_s: wanted.min_gap_s ?? null,
    max_gap_s: wanted.max_gap_s ?? null,
    ramp: wanted.ramp ?? null,
    breaker: wanted.breaker ?? null,
    time_zone: wanted.time_zone ?? null,
    sending_window: wanted.window ?? null,
  });
  const { addresses, errors } = readAddresses(wanted.channel, {
    from_address: wanted.from.address,
    reply_to: wanted.reply_to ?? null,
  });
  refuseErrors([
    ...errors,
    ...configErrors(provider, wanted.config),
    ...limitErrors(limits),
    ...priceErrors(wanted.channel, wanted.price ?? null),
  ]);
  const id = newId();
  const { config, secret } = sealedConfig(secrets, ctx.org, id, wanted.config, provider.secret_fields);
  return db.inOrg(ctx.org, async (tx) => {
    const row = await tx.one<SenderRow>(sql`
      INSERT INTO senders (org_id, id, channel, provider, name, from_name, from_address, reply_to, config, secret,
        daily_limit, hourly_limit, min_gap_s, max_gap_s, ramp, breaker, time_zone, sending_window, price)
      VALUES (${ctx.org}, ${id}, ${wanted.channel}, ${wanted.provider}, ${wanted.name}, ${wanted.from.name ?? null},
        ${addresses.from_address}, ${addresses.reply_to}, ${JSON.stringify(config)}, ${secret},
        ${limits.daily_limit}, ${limits.hourly_limit}, ${limits.min_gap_s}, ${limits.max_gap_s},
        ${limits.ramp === null ? null : JSON.stringify(limits.ramp)}, ${limits.breaker === null ? null : JSON.stringify(limits.breaker)}, ${limits.time_zone},
        ${limits.sending_window === null ? null : JSON.stringify(limits.sending_window)},
        ${wanted.price ? JSON.stringify(wanted.price) : null})
      RETURNING ${senderColumns}`);
    await audit(tx, ctx, {
      action: 'sender.create',
      subject_type: 'sender',
      subject_id: id,
      data: { name: row.name, channel: row.channel, provider: row.provider, from: row.from_address },
    });
    return showOne(tx, ctx.org, row);
  });
}
