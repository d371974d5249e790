/**
 * What the owner of the database may not do. It makes three roles that belong to the whole server, so owning the database is
 * not enough; and from PostgreSQL 16 on, who makes a role administers it, not who comes second.
 */
import pg from 'pg';
import { pgCode } from './database.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

export class OwnerLacksRights extends Error {
  override name = 'OwnerLacksRights';
}

/** What a migration says that failed by `cause`: of rights, what to do about it. */
export async function failureOf(client: pg.Client, file: string, cause: unknown): Promise<Error> {
  const message = `${file}: ${(cause as Error).message}`;
  if (pgCode(cause) !== INSUFFICIENT_PRIVILEGE) return new Error(message, { cause });
  const { rows } = await client.query<{ login: string }>('SELECT current_user AS login');
  const login = pg.escapeIdentifier(rows[0]!.login);
  return new OwnerLacksRights(
    `The login of DATABASE_URL lacks a right (${message}). Let an administrator of the server run ` +
      `ALTER ROLE ${login} CREATEROLE; and, where another installation has made these roles before, also ` +
      `GRANT cadenza_app, cadenza_picker, cadenza_readonly TO ${login} WITH ADMIN OPTION; then migrate again.`,
    { cause },
  );
}
