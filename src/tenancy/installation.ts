/**
 * Whether a process belongs to the installation of its database: it must have that one's master secret, or the links it
 * sends open nowhere and the credentials it stores open to nobody else. Owns `installation_secrets`. In: the master
 * secrets of this process. Out: nothing, or a refusal. What is stored is derived from the secret and does not give it back.
 */
import { hkdfSync } from 'node:crypto';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';

/** One at a time, so that of two processes with different secrets the second one sees the first; any constant. */
const LOCK_KEY = 7_236_154;

/** The database is somebody's installation, and not the one whose secret this is. */
export class OtherInstallation extends Error {
  override name = 'OtherInstallation';
}

function checkValue(masterSecret: string): string {
  return Buffer.from(hkdfSync('sha256', masterSecret, '', 'cadenza installation check', 32)).toString(
    'base64url',
  );
}

/**
 * As the application. The first process to ask makes the installation its own; after a rotation the new secret is known
 * once a process came that had an old one too. `masterSecrets`: newest first.
 * @throws OtherInstallation
 */
export async function assertInstallation(db: Database, masterSecrets: readonly string[]): Promise<void> {
  const ours = masterSecrets.map(checkValue);
  const newest = ours[0]!;
  const known = await db.outsideOrgs(async (tx) => {
    const values = async () =>
      (await tx.rows<{ value: string }>(sql`SELECT check_value AS value FROM installation_secrets`)).map(
        ({ value }) => value,
      );
    if ((await values()).includes(newest)) return true;
    await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCK_KEY})`);
    const there = await values();
    if (there.length > 0 && !there.some((value) => ours.includes(value))) return false;
    await tx.run(
      sql`INSERT INTO installation_secrets (check_value) VALUES (${newest}) ON CONFLICT DO NOTHING`,
    );
    return true;
  });
  if (known) return;
  throw otherInstallation('DELETE FROM installation_secrets;');
}

/**
 * As the owner, for a process whose secret the application's login has: that is the installation's, whatever was written
 * before it was.
 */
export async function claimInstallation(owner: Database, masterSecrets: readonly string[]): Promise<void> {
  const ours = masterSecrets.map(checkValue);
  await owner.call(sql`
    WITH others AS (DELETE FROM installation_secrets WHERE check_value <> ALL (${ours}::text[]))
    INSERT INTO installation_secrets (check_value) VALUES (${ours[0]!}) ON CONFLICT DO NOTHING`);
}

/** `takeOver`: the SQL that gives the database to another installation. */
export function otherInstallation(takeOver: string): OtherInstallation {
  return new OtherInstallation(
    `This database belongs to an installation with another CADENZA_SECRET. Set CADENZA_SECRET to that one, or CADENZA_DATA to its directory (the secret lies in secrets.json there): it opens the stored credentials and every unsubscribe link. If it is lost for good, ${takeOver} lets this one take over.`,
  );
}
