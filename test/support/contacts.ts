/** A database with two organizations, opened as the application: what tests of the contacts room start from. */
import { randomBytes } from 'node:crypto';
import { Database } from '../../src/db/database.ts';
import { ensureAppLogin } from '../../src/tenancy/app-login.ts';
import type { Context } from '../../src/tenancy/context.ts';
import { createOrganization } from '../../src/tenancy/organizations.ts';
import { createDatabase } from './database.ts';

export interface ContactsWorld {
  db: Database;
  /** The application's URL, for processes of their own. */
  url: string;
  ownerUrl: string;
  ours: Context;
  theirs: Context;
  newOrg(): Promise<Context>;
  close(): Promise<void>;
}

const actor = { type: 'api_key', id: 'test', name: 'test' } as const;

export async function contactsWorld(): Promise<ContactsWorld> {
  const database = await createDatabase();
  const url = await ensureAppLogin(database.ownerUrl, randomBytes(32).toString('base64url'));
  const db = new Database({ url, max: 6 });
  const newOrg = async (): Promise<Context> => ({
    org: (await createOrganization(db, actor, { name: 'An organization' })).id,
    actor,
  });
  return {
    db,
    url,
    ownerUrl: database.ownerUrl,
    ours: await newOrg(),
    theirs: await newOrg(),
    newOrg,
    async close() {
      await db.close();
      await database.drop();
    },
  };
}

/** A file's bytes in pieces of a size that cuts characters and rows apart. */
export async function* inPieces(bytes: Uint8Array, size = 7919): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
