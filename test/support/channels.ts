/** What tests of several channels need: a sender of a channel, contacts that every channel reaches. */
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import type { EngineWorld } from './engine.ts';

export async function addSender(
  world: Pick<EngineWorld, 'owner' | 'org'>,
  channel: string,
  address = '+14155550100',
): Promise<Uuid> {
  const id = newId();
  await world.owner.call(sql`
    INSERT INTO senders (org_id, id, channel, provider, name, from_address)
    VALUES (${world.org}::uuid, ${id}::uuid, ${channel}, 'test', ${`The ${channel}`}, ${address})`);
  return id;
}

/** Where it is about noon now, whenever the tests run: phones are not disturbed at night. */
export function noonZone(): string {
  const hours = 12 - new Date().getUTCHours();
  return hours === 0 ? 'Etc/GMT' : `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`;
}

/**
 * Contacts that every channel reaches; the nth one's number ends in 2000 + n. American ones (the default) have quiet
 * hours by law, whatever their organization says.
 */
export async function people(
  world: Pick<EngineWorld, 'owner' | 'contacts'>,
  count: number,
  prefix = '+1415555',
): Promise<Uuid[]> {
  const ids = await world.contacts(count);
  await world.owner.call(sql`
    UPDATE contacts c SET phone = ${prefix} || (2000 + u.n), whatsapp = ${prefix} || (2000 + u.n), telegram = '77' || u.n,
           linkedin = 'https://linkedin.com/in/p' || u.n, time_zone = ${noonZone()}, time_zone_from = 'given'
      FROM unnest(${ids}::uuid[]) WITH ORDINALITY u(id, n) WHERE c.id = u.id`);
  return ids;
}

/** They wrote to us, so many hours ago. */
export async function wrote(
  world: Pick<EngineWorld, 'owner' | 'org'>,
  contacts: readonly Uuid[],
  channel: 'whatsapp' | 'whatsapp_lite' | 'sms' = 'whatsapp',
  hours = 1,
): Promise<void> {
  for (const contact of contacts)
    await world.owner.call(sql`
      INSERT INTO contact_events (org_id, id, contact_id, name, at, source, properties, told_by)
      VALUES (${world.org}::uuid, ${newId()}::uuid, ${contact}::uuid, 'message_received', now() - ${hours * 3_600}::float8 * interval '1 second',
        'test', jsonb_build_object('channel', ${channel}::text), 'test')`);
}
