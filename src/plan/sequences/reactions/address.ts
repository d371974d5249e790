/**
 * What an event says of an address [INB-4]: a hard bounce and a complaint suppress it, a complaint and an opt-out that the
 * provider was told take the contact off the channel.
 */
import { normalizeEmail } from '../../../contacts/email-address.ts';
import { suppress } from '../../../contacts/suppression.ts';
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import { CHANNELS, type Channel, CONSENT_CHANNELS, type ConsentChannel } from '../../../kernel/channels.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { unsubscribe } from '../../stop.ts';
import { conclude, type Incident, intend, type ReactDeps, type Reaction } from './reaction.ts';

type Suppressing = 'hard_bounce' | 'complaint' | 'unsubscribe';

export const heedAddress: Reaction = async (deps, incident) => {
  const { event } = incident;
  if (event.name === 'bounced' && event.properties.permanence === 'hard')
    await suppressAddress(deps, incident, 'hard_bounce');
  if (event.name === 'complained') await suppressAddress(deps, incident, 'complaint');
  if (event.name === 'complained' || event.name === 'unsubscribed') await optOut(deps, incident);
};

async function suppressAddress({ db }: ReactDeps, incident: Incident, reason: Suppressing): Promise<void> {
  const { ctx, event, touch } = incident;
  const channel = channelOf(incident);
  const kind = CHANNELS[channel].suppressed_as;
  if (kind === null) return;
  await db.inOrg(ctx.org, async (tx) => {
    const pending = {
      reaction: 'suppress',
      subject_id: event.contact_id,
      reason,
      contact_id: event.contact_id,
      sequence_id: touch?.sequence_id ?? null,
      enrollment_id: touch?.enrollment_id ?? null,
    } as const;
    if ((await intend(tx, incident, [pending])) === 0) return;
    const address =
      recipientOf(incident, channel) ?? (await addressOf(tx, ctx.org, event.contact_id, channel));
    if (address === null) {
      await conclude(tx, incident, pending, { result: 'skipped', detail: 'no_address' });
      return;
    }
    const { contact_id, source } = event;
    await suppress(tx, ctx, { kind, address, reason, source, contact_id, touch_id: touch?.id ?? null });
    await conclude(tx, incident, pending, { result: 'done' });
  });
}

async function optOut({ db }: ReactDeps, incident: Incident): Promise<void> {
  const { ctx, event, touch } = incident;
  const consent = consentOf(incident);
  if (consent === null) return;
  const pending = {
    reaction: 'unsubscribe',
    subject_id: event.contact_id,
    reason: consent,
    contact_id: event.contact_id,
    sequence_id: null,
    enrollment_id: null,
  } as const;
  await db.inOrg(ctx.org, (tx) => intend(tx, incident, [pending]));
  // Repeated, it writes nothing.
  const receipt = await unsubscribe(db, ctx, {
    contact_id: event.contact_id,
    channel: consent,
    source: event.name === 'complained' ? 'complaint' : 'provider',
    evidence: `the event ${event.id} told by ${event.told_by}`,
    touch_id: touch?.id ?? null,
  });
  await db.inOrg(ctx.org, (tx) =>
    conclude(tx, incident, pending, { result: 'done', receipt_id: receipt.id }),
  );
}

/** That of its touch, else the one it names; e-mail where it says nothing. */
function channelOf({ event, touch }: Incident): Channel {
  const { channel } = event.properties;
  if (touch) return touch.channel;
  return typeof channel === 'string' && Object.hasOwn(CHANNELS, channel) ? (channel as Channel) : 'email';
}

function consentOf(incident: Incident): ConsentChannel | null {
  const { channel } = incident.event.properties;
  const named = CONSENT_CHANNELS.find((one) => one === channel);
  return incident.touch
    ? CHANNELS[incident.touch.channel].consent
    : (named ?? CHANNELS[channelOf(incident)].consent);
}

/** To whom it was sent: the contact may have another address by now. */
function recipientOf({ event }: Incident, channel: Channel): string | null {
  const { recipient } = event.properties;
  if (typeof recipient !== 'string') return null;
  if (channel === 'email') return normalizeEmail(recipient);
  return /^\+[1-9][0-9]{6,14}$/.test(recipient) ? recipient : null;
}

async function addressOf(tx: Tx, org: Uuid, contact: Uuid, channel: Channel): Promise<string | null> {
  const row = await tx.maybe<{ address: string | null }>(sql`
    SELECT contact_address(${channel}, c.email, c.phone, c.whatsapp, c.telegram, NULL) AS address
      FROM contacts c WHERE c.org_id = ${org} AND c.id = ${contact}`);
  return row?.address ?? null;
}
