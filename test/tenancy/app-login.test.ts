/** The application's own login: made by the owner, whoever that is, on the oldest and the newest server. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Database } from '../../src/db/database.ts';
import { migrate } from '../../src/db/migrate.ts';
import { OwnerLacksRights } from '../../src/db/owner-rights.ts';
import { sql } from '../../src/db/sql.ts';
import { createApiKey } from '../../src/tenancy/api-keys.ts';
import { AppRoleRefused, assertAppRole, ensureAppLogin } from '../../src/tenancy/app-login.ts';
import { OtherInstallation } from '../../src/tenancy/installation.ts';
import { createOrganization, listOrganizationIds } from '../../src/tenancy/organizations.ts';
import { SCOPES } from '../../src/tenancy/roles.ts';
import { describeWith } from '../support/debian.ts';
import { type Postgres15, startPostgres15 } from '../support/postgres15.ts';

const secret = () => randomBytes(32).toString('base64url');
const password = secret();

interface Fresh {
  /** Of a database nobody migrated yet, whose owner is no superuser but may make roles. */
  ownerUrl: string;
  drop(): Promise<void>;
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The roles of this project are made by the first migration of a cluster, so a fresh owner must be given them. */
async function plainOwner(admin: string): Promise<Fresh> {
  const name = `plain_${randomBytes(4).toString('hex')}`;
  await onServer(admin, async (client) => {
    await client.query(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD '${password}'`);
    await client.query(`CREATE DATABASE ${name} OWNER ${name}`);
    const { rows } = await client.query<{ rolname: string }>(
      "SELECT rolname FROM pg_roles WHERE rolname IN ('cadenza_app', 'cadenza_picker', 'cadenza_readonly')",
    );
    for (const { rolname } of rows) await client.query(`GRANT ${rolname} TO ${name} WITH ADMIN OPTION`);
    // An administrator who hands a role on for others need not have it himself; owning and being bound do not mix.
    const { rows: version } = await client.query('SHOW server_version_num');
    if (rows.length > 0 && Number(version[0].server_version_num) >= 160_000)
      await client.query(`GRANT cadenza_app TO ${name} WITH INHERIT FALSE`);
  });
  const url = new URL(admin);
  [url.username, url.password, url.pathname] = [name, password, `/${name}`];
  return {
    ownerUrl: url.href,
    drop: () =>
      onServer(admin, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        await client.query(`DROP ROLE IF EXISTS cadenza_app_${name}`);
      }),
  };
}

async function whoami(url: string): Promise<string> {
  const db = new Database({ url, max: 1 });
  try {
    await assertAppRole(db);
    const { name } = await db.outsideOrgs((tx) => tx.one<{ name: string }>(sql`SELECT current_user AS name`));
    return name;
  } finally {
    await db.close();
  }
}

function behaviour(admin: () => string): void {
  let fresh: Fresh;
  beforeAll(async () => {
    fresh = await plainOwner(admin());
    await migrate({ url: fresh.ownerUrl });
  });
  afterAll(() => fresh?.drop());

  test('[TEN-6] an owner who is no superuser migrates and makes the login; it works and is bound', async () => {
    const master = secret();
    const url = await ensureAppLogin(fresh.ownerUrl, master);
    expect(await whoami(url)).toBe(`cadenza_app${new URL(fresh.ownerUrl).pathname.replace('/', '_')}`);
    expect(await ensureAppLogin(fresh.ownerUrl, master)).toBe(url);
    expect(url).not.toContain(master);
  });

  test('[OPS-2] an owner who may not make roles is told what an administrator must run, and that is enough', async () => {
    const name = `bare_${randomBytes(4).toString('hex')}`;
    await onServer(admin(), async (client) => {
      await client.query(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`);
      await client.query(`CREATE DATABASE ${name} OWNER ${name}`);
    });
    const url = new URL(admin());
    [url.username, url.password, url.pathname] = [name, password, `/${name}`];
    try {
      const refused = await migrate({ url: url.href }).catch((error: unknown) => error as Error);
      expect(refused).toBeInstanceOf(OwnerLacksRights);
      const statements = [...(refused as Error).message.matchAll(/(?:ALTER|GRANT) [^;]+;/g)].map(
        ([text]) => text,
      );
      expect(statements).toHaveLength(2);
      await onServer(admin(), async (client) => {
        for (const statement of statements) await client.query(statement);
      });
      await migrate({ url: url.href });
      await whoami(await ensureAppLogin(url.href, secret()));
    } finally {
      await onServer(admin(), async (client) => {
        await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
        await client.query(`DROP ROLE IF EXISTS cadenza_app_${name}`);
      });
    }
  });

  test('[TEN-6] another master secret gives another password, and the old one opens nothing any more', async () => {
    const before = await ensureAppLogin(fresh.ownerUrl, secret());
    const after = await ensureAppLogin(fresh.ownerUrl, secret());
    expect(after).not.toBe(before);
    await whoami(after);
    await expect(whoami(before)).rejects.toMatchObject({ code: '28P01' });
  });

  test('[TEN-6] ten processes may start at once', async () => {
    const master = secret();
    const urls = await Promise.all(Array.from({ length: 10 }, () => ensureAppLogin(fresh.ownerUrl, master)));
    expect(new Set(urls).size).toBe(1);
    await whoami(urls[0]!);
  });

  test('[TEN-6] the server is never told the password', async () => {
    const url = new URL(await ensureAppLogin(fresh.ownerUrl, secret()));
    const { rows } = await onServer(admin(), (client) =>
      client.query('SELECT rolpassword FROM pg_authid WHERE rolname = $1', [url.username]),
    );
    expect(rows[0].rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
  });

  test('[TEN-6] the application refuses to run as the owner, a superuser, or with BYPASSRLS', async () => {
    const refused = async (url: string) => {
      const error = await whoami(url).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(AppRoleRefused);
      return (error as Error).message;
    };
    expect(await refused(fresh.ownerUrl)).toContain('it owns tables');
    const asAdmin = new URL(admin());
    asAdmin.pathname = new URL(fresh.ownerUrl).pathname;
    expect(await refused(asAdmin.href)).toContain('it is a superuser');

    const app = new URL(await ensureAppLogin(fresh.ownerUrl, secret()));
    const alter = (text: string) => onServer(asAdmin.href, (client) => client.query(text));
    await alter(`ALTER ROLE ${app.username} BYPASSRLS`);
    expect(await refused(app.href)).toContain('BYPASSRLS');
    await alter(`ALTER ROLE ${app.username} NOBYPASSRLS`);
    await alter(`GRANT cadenza_picker TO ${app.username}`);
    expect(await refused(app.href)).toContain('cadenza_picker');
    await alter(`REVOKE cadenza_picker FROM ${app.username}`);
    // Whoever granted it takes it back.
    await onServer(fresh.ownerUrl, (client) => client.query(`REVOKE cadenza_app FROM ${app.username}`));
    expect(await refused(app.href)).toContain('not a member of cadenza_app');
  });

  test('[TEN-6] an operator who is the owner sees which organizations there are; the application sees one', async () => {
    const db = new Database({ url: await ensureAppLogin(fresh.ownerUrl, secret()), max: 1 });
    const owner = new Database({ url: fresh.ownerUrl, max: 1 });
    const actor = { type: 'system', id: 'test', name: 'test' } as const;
    const made = await Promise.all(['A', 'B'].map((name) => createOrganization(db, actor, { name })));
    expect((await listOrganizationIds(owner)).sort()).toEqual(made.map((one) => one.id).sort());
    await expect(listOrganizationIds(db)).rejects.toMatchObject({ code: '42501' });
    await Promise.all([db.close(), owner.close()]);
  });

  test('[TEN-8] once somebody has a key, a process with another secret is refused and takes the login from nobody', async () => {
    const ours = secret();
    const url = await ensureAppLogin(fresh.ownerUrl, ours);
    const db = new Database({ url, max: 1 });
    const actor = { type: 'system', id: 'test', name: 'test' } as const;
    const { id: org } = await createOrganization(db, actor, { name: 'Used' });
    await createApiKey(db, { org, actor, role: 'owner', scopes: SCOPES }, { name: 'first', role: 'owner' });
    await db.close();
    await expect(ensureAppLogin(fresh.ownerUrl, secret())).rejects.toBeInstanceOf(OtherInstallation);
    await whoami(url);

    const newer = secret();
    await whoami(await ensureAppLogin(fresh.ownerUrl, [newer, ours]));
    await whoami(await ensureAppLogin(fresh.ownerUrl, newer));
    await expect(ensureAppLogin(fresh.ownerUrl, ours)).rejects.toBeInstanceOf(OtherInstallation);
  });
}

describe('on PostgreSQL 18', () => behaviour(() => inject('ownerUrl')));

describeWith('initdb', 'on PostgreSQL 15', (initdb) => {
  let server: Postgres15;
  beforeAll(async () => {
    server = await startPostgres15(initdb, password);
  });
  afterAll(() => server?.stop());
  behaviour(() => server.url);
});
