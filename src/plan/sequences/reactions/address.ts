/**
 * What an event says of an address [INB-4]: a hard bounce and a complaint suppress it, a complaint and an opt-out that the
 * provider was told take the contact off the channel.
 */
import { normalizeEmail } from '../../../contacts/email-address.ts';
import { type Suppressed, type SuppressionReason, suppress } from '../../../contacts/suppression.ts';
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import { CHANNELS, type Channel, CONSENT_CHANNELS, type ConsentChannel } from '../../../kernel/channels.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { unsubscribe } from '../../stop.ts';
import { conclude, concluded, type Incident, intend, type ReactDeps, type Reaction } from './reaction.ts';

/** Of one event, where something else depends on it. */
export const heedAddress: Reaction = async (deps, incident) => {
  await suppressAddresses(deps, incident.ctx.org, [incident]);
  if (takesOff(incident)) await optOut(deps, incident);
};

export function takesOff({ event }: Incident): boolean {
  return event.name === 'complained' || event.name === 'unsubscribed';
}

function reasonOf({ event }: Incident): SuppressionReason | null {
  if (event.name === 'complained') return 'complaint';
  return event.name === 'bounced' && event.properties.permanence === 'hard' ? 'hard_bounce' : null;
}

/** Hard bounces and complaints: all of a batch in one transaction. */
export async function suppressAddresses(
  { db }: ReactDeps,
  org: Uuid,
  incidents: readonly Incident[],
): Promise<void> {
  const dead = incidents.flatMap((incident) => {
    const [reason, channel] = [reasonOf(incident), channelOf(incident)];
    const kind = CHANNELS[channel].suppressed_as;
    return reason === null || kind === null ? [] : [{ ...incident, reason, kind, channel }];
  });
  if (dead.length === 0) return;
  await db.inOrg(org, async (tx) => {
    const addresses = await addressesOf(tx, org, dead);
    const fresh = await concluded(
      tx,
      org,
      dead.map(({ event, touch, reason }, n) => ({
        event_id: event.id,
        reaction: 'suppress',
        subject_id: event.contact_id,
        reason,
        contact_id: event.contact_id,
        sequence_id: touch?.sequence_id ?? null,
        enrollment_id: touch?.enrollment_id ?? null,
        ...(addresses[n] === null
          ? { result: 'skipped', detail: 'no_address' }
          : { result: 'done', detail: null }),
      })),
    );
    const suppressed = dead.flatMap(({ event, touch, reason, kind }, n): Suppressed[] => {
      const address = addresses[n];
      if (!address || !fresh.has(event.id)) return [];
      const { contact_id, source } = event;
      return [{ kind, address, reason, source, contact_id, touch_id: touch?.id ?? null }];
    });
    if (suppressed.length > 0) await suppress(tx, { org }, suppressed);
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

/** In order: to whom it was sent, else what the contact has now. */
async function addressesOf(
  tx: Tx,
  org: Uuid,
  dead: readonly (Incident & { channel: Channel })[],
): Promise<(string | null)[]> {
  const said = dead.map((incident) => recipientOf(incident, incident.channel));
  const asked = dead.flatMap(({ event, channel }, n) =>
    said[n] === null ? [{ n, contact: event.contact_id, channel }] : [],
  );
  if (asked.length === 0) return said;
  const rows = await tx.rows<{ n: number; address: string | null }>(sql`
    SELECT r.n, contact_address(r.channel, c.email, c.phone, c.whatsapp, c.telegram, NULL) AS address
      FROM json_to_recordset(${JSON.stringify(asked)}::json) AS r(n int, contact uuid, channel text)
      JOIN contacts c ON c.org_id = ${org} AND c.id = r.contact`);
  for (const { n, address } of rows) said[n] = address;
  return said;
}
