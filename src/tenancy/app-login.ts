/**
 * The application's own login. In: the owner's URL and the master secret. Out: a URL under which row-level security
 * holds. The password is derived, so any process that knows the master secret gets the same one and none is stored;
 * the server is told a SCRAM verifier and never sees it.
 */
import { createHash, createHmac, hkdfSync, pbkdf2Sync, randomBytes } from 'node:crypto';
import { Database, pgCode } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { claimInstallation, otherInstallation } from './installation.ts';

const SCRAM_ITERATIONS = 4096;
/** Names of PostgreSQL end after 63 bytes. */
const NAME_LIMIT = 63;
/** One maker at a time; any constant. */
const LOCK_KEY = 7_236_153;
/** What a server says to a login it does not (yet) take: no such role or wrong password, not permitted to log in. */
const WRONG_PASSWORD = '28P01';
const REFUSED = new Set([WRONG_PASSWORD, '28000']);

export class AppRoleRefused extends Error {
  override name = 'AppRoleRefused';
}

function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const server = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${stored}:${server}`;
}

/** Roles belong to the whole cluster, so the name carries the database's; a long one is cut and told apart by a hash. */
function loginName(database: string): string {
  const name = `cadenza_app_${database}`;
  if (Buffer.byteLength(name) <= NAME_LIMIT) return name;
  const digest = createHash('sha256').update(database).digest('hex').slice(0, 12);
  return `cadenza_app_${digest}`;
}

function passwordFor(masterSecret: string, login: string): string {
  return Buffer.from(hkdfSync('sha256', masterSecret, '', `cadenza database login ${login}`, 32)).toString(
    'base64url',
  );
}

async function canLogIn(appUrl: string): Promise<boolean> {
  const db = new Database({ url: appUrl, max: 1, application_name: 'cadenza login check' });
  try {
    await assertAppRole(db);
    return true;
  } catch (error) {
    if (error instanceof AppRoleRefused || REFUSED.has(pgCode(error) ?? '')) return false;
    throw error;
  } finally {
    await db.close();
  }
}

/** Names and passwords cannot be parameters of CREATE ROLE; the block reads them from settings and quotes them. */
const makeLogin = sql`
  DO $$
  DECLARE
    v_login text := current_setting('cadenza.login');
    v_verifier text := current_setting('cadenza.verifier');
  BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_login) THEN
      EXECUTE format('CREATE ROLE %I LOGIN INHERIT PASSWORD %L', v_login, v_verifier);
    ELSE
      EXECUTE format('ALTER ROLE %I LOGIN INHERIT PASSWORD %L', v_login, v_verifier);
    END IF;
    IF NOT pg_has_role(v_login, 'cadenza_app', 'USAGE') THEN
      EXECUTE format('GRANT cadenza_app TO %I', v_login);
    END IF;
    IF NOT has_database_privilege(v_login, current_database(), 'CONNECT') THEN
      EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), v_login);
    END IF;
  END $$`;

async function createOrAlter(owner: Database, login: string, password: string): Promise<void> {
  try {
    await owner.outsideOrgs(async (tx) => {
      await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCK_KEY})`);
      await tx.run(sql`SELECT set_config('cadenza.login', ${login}, true),
        set_config('cadenza.verifier', ${scramVerifier(password)}, true)`);
      await tx.run(makeLogin);
    });
  } catch (error) {
    if (pgCode(error) !== '42501') throw error;
    throw new Error(
      `The owner may not make the application's login: ${(error as Error).message}. Give the owner CREATEROLE, or make a login yourself (CREATE ROLE name LOGIN PASSWORD '…' IN ROLE cadenza_app) and set APP_DATABASE_URL.`,
      { cause: error },
    );
  }
}

/**
 * The application's URL for this database; makes the login, or sets its password anew, when it does not work yet.
 * The database must be migrated. Safe to call from many processes at once.
 *
 * The login knows the installation by its secret: a process with another one would send messages whose unsubscribe links
 * nobody can read, and take the login from those that run. `masterSecrets`: newest first, as in a rotation.
 * @throws OtherInstallation
 */
export async function ensureAppLogin(
  ownerUrl: string,
  masterSecrets: string | readonly string[],
): Promise<string> {
  const secrets = typeof masterSecrets === 'string' ? [masterSecrets] : masterSecrets;
  const [newest] = secrets as [string];
  const owner = new Database({ url: ownerUrl, max: 1, application_name: 'cadenza login' });
  try {
    const { name } = await owner.outsideOrgs((tx) =>
      tx.one<{ name: string }>(sql`SELECT current_database() AS name`),
    );
    const login = loginName(name);
    const urlFor = (secret: string) => {
      const url = new URL(ownerUrl);
      url.username = encodeURIComponent(login);
      url.password = encodeURIComponent(passwordFor(secret, login));
      return url.href;
    };
    if (await canLogIn(urlFor(newest))) {
      await claimInstallation(owner, secrets);
      return urlFor(newest);
    }
    if (await isInUse(owner, login)) {
      const known = await Promise.all(secrets.map((secret) => takesPassword(urlFor(secret))));
      if (!known.includes(true)) throw otherInstallation(`DROP OWNED BY ${login}; DROP ROLE ${login};`);
    }
    await createOrAlter(owner, login, passwordFor(newest, login));
    await claimInstallation(owner, secrets);
    return urlFor(newest);
  } finally {
    await owner.close();
  }
}

/** Has somebody made this login, and an API key? (The login of a database that was dropped stays behind.) */
async function isInUse(owner: Database, login: string): Promise<boolean> {
  const [row] = await owner.call<{ used: boolean }>(sql`
    SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = ${login}) AND EXISTS (SELECT FROM directory) AS used`);
  return row?.used === true;
}

/** Whatever else is wrong with the login: is this its password? */
async function takesPassword(url: string): Promise<boolean> {
  const db = new Database({ url, max: 1, application_name: 'cadenza login check' });
  try {
    await db.call(sql`SELECT 1`);
    return true;
  } catch (error) {
    if (pgCode(error) === WRONG_PASSWORD) return false;
    // Told only to who knows the password.
    if (REFUSED.has(pgCode(error) ?? '')) return true;
    throw error;
  } finally {
    await db.close();
  }
}

interface RoleFacts {
  name: string;
  superuser: boolean;
  bypass: boolean;
  owns: string | null;
  picker: boolean;
  app: boolean;
}

/**
 * Refuses to go on under a login for which row-level security does not hold: a superuser, BYPASSRLS, an owner of
 * tables, somebody who may become one of these, or who sees every organization as the lane picker.
 * @throws AppRoleRefused
 */
export async function assertAppRole(db: Database): Promise<void> {
  const role = await db.outsideOrgs((tx) =>
    tx.one<RoleFacts>(sql`
      SELECT current_user AS name,
        coalesce((SELECT bool_or(r.rolsuper) FROM pg_roles r WHERE pg_has_role(current_user, r.oid, 'MEMBER')), false) AS superuser,
        coalesce((SELECT bool_or(r.rolbypassrls) FROM pg_roles r WHERE pg_has_role(current_user, r.oid, 'MEMBER')), false) AS bypass,
        (SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND pg_has_role(current_user, c.relowner, 'MEMBER') ORDER BY c.relname LIMIT 1) AS owns,
        coalesce((SELECT pg_has_role(current_user, r.oid, 'MEMBER') FROM pg_roles r WHERE r.rolname = 'cadenza_picker'), false) AS picker,
        coalesce((SELECT pg_has_role(current_user, r.oid, 'USAGE') FROM pg_roles r WHERE r.rolname = 'cadenza_app'), false) AS app`),
  );
  const why = [
    role.superuser && 'it is a superuser',
    role.bypass && 'it has BYPASSRLS',
    role.owns !== null && `it owns tables (${role.owns})`,
    role.picker && 'it is a member of cadenza_picker',
    !role.app && 'it is not a member of cadenza_app',
  ].filter((reason) => reason !== false);
  if (why.length > 0)
    throw new AppRoleRefused(
      `The application will not run as the database role ${role.name}: ${why.join(', ')}. Set APP_DATABASE_URL to a login that is a member of cadenza_app and nothing else, or leave it out and one is made.`,
    );
}
