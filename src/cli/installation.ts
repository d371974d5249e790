/**
 * Where a command finds the database: `DATABASE_URL`, `APP_DATABASE_URL`, or the `cadenza up` that runs on the same
 * data directory. Commands work on the database through the modules, as the application; only migrating and looking
 * for the organizations there are need the owner.
 */
import { hostname, userInfo } from 'node:os';
import { type Config, ConfigError, masterSecrets, readRun } from '../config.ts';
import { Database } from '../db/database.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';
import { Problem } from '../kernel/problem.ts';
import { assertAppRole, ensureAppLogin } from '../tenancy/app-login.ts';
import { assertInstallation } from '../tenancy/installation.ts';
import { createOrganization, getOrganization, listOrganizationIds } from '../tenancy/organizations.ts';
import { type Caller, SCOPES } from '../tenancy/roles.ts';
import { createSecrets, type Secrets } from '../tenancy/secrets.ts';
import { type Call, textOption } from './command.ts';
import { OptionRefused } from './option-refused.ts';
import { assertReachable } from './reachable.ts';

export const ORG_OPTION = {
  org: { value: 'ID_OR_NAME', about: 'The organization; needed when there are several' },
} as const;

export interface Installation {
  /** As the application. */
  db: Database;
  secrets: Secrets;
  ownerUrl: string | null;
}

/** The owner's URL, if this command may have it. */
export function findOwnerUrl(config: Config): string | null {
  return config.database_url ?? (config.app_database_url ? null : (readRun(config)?.database_url ?? null));
}

/** @throws ConfigError */
export function requireOwnerUrl(config: Config): string {
  const url = findOwnerUrl(config);
  if (url !== null) return url;
  throw new ConfigError(
    `No database: nothing runs on ${config.cadenza_data}. Start \`npx cadenza up\` there, or set DATABASE_URL.`,
  );
}

async function appUrl(config: Config, masters: readonly string[]): Promise<string> {
  if (config.app_database_url) return config.app_database_url;
  const running = config.database_url ? null : readRun(config);
  return running?.app_database_url ?? ensureAppLogin(requireOwnerUrl(config), masters);
}

/** Opens the installation for the time of `work`. */
export async function withInstallation<T>(
  config: Config,
  work: (installation: Installation) => Promise<T>,
  { connections = 2 } = {},
): Promise<T> {
  if (!config.app_database_url) requireOwnerUrl(config);
  await assertReachable(config);
  const masters = masterSecrets(config);
  const db = new Database({
    url: await appUrl(config, masters),
    max: connections,
    application_name: 'cadenza cli',
  });
  try {
    await assertAppRole(db);
    await assertInstallation(db, masters);
    return await work({ db, secrets: createSecrets(masters), ownerUrl: findOwnerUrl(config) });
  } finally {
    await db.close();
  }
}

/** Whoever can reach the database may do anything; the trail says who it was. */
export function cliActor(): Caller['actor'] {
  const name = `${userInfo().username}@${hostname()}`;
  return { type: 'system', id: `cli:${name}`, name };
}

export function callerFor(org: Uuid): Caller {
  return { org, actor: cliActor(), role: 'owner', scopes: SCOPES };
}

/** All organizations, oldest first. Needs the owner. */
export async function allOrganizations(installation: Installation) {
  if (installation.ownerUrl === null)
    throw new ConfigError(
      'Only the owner can list organizations: set DATABASE_URL, or name one with --org ID.',
    );
  const owner = new Database({ url: installation.ownerUrl, max: 1, application_name: 'cadenza cli' });
  try {
    const found = [];
    for (const org of await listOrganizationIds(owner))
      found.push(await getOrganization(installation.db, { org }));
    return found;
  } finally {
    await owner.close();
  }
}

/**
 * The organization a command is about: the one named with `--org`, or the only one. `makeFirst`: on an installation
 * that has none yet, make one.
 * @throws OptionRefused not_found, conflict
 */
export async function chooseOrganization(
  call: Call,
  installation: Installation,
  { makeFirst = false } = {},
): Promise<Caller> {
  const wanted = textOption(call, 'org');
  if (wanted !== undefined && isUuid(wanted.toLowerCase())) {
    const found = await organizationById(installation, wanted.toLowerCase());
    if (found !== null) return callerFor(found);
    const known = installation.ownerUrl === null ? [] : await allOrganizations(installation);
    throw noneFits(`--org ${wanted}: there is no organization with this id.`, known);
  }
  const all = await allOrganizations(installation);
  const fitting = wanted === undefined ? all : all.filter((one) => one.name === wanted);
  if (fitting.length === 1) return callerFor(fitting[0]!.id);
  if (all.length === 0 && makeFirst) {
    const made = await createOrganization(installation.db, cliActor(), { name: wanted ?? 'My organization' });
    call.note(`Made the organization "${made.name}" (${made.id}).`);
    return callerFor(made.id);
  }
  if (fitting.length > 1)
    throw new OptionRefused(
      'conflict',
      wanted === undefined
        ? 'Option --org is missing, and there are several organizations.'
        : `--org "${wanted}": several organizations have this name.`,
      wanted === undefined ? 'Name one with --org, by its id or name' : 'Name one with --org, by its id',
      listed(fitting),
    );
  throw noneFits(
    wanted === undefined
      ? 'There is no organization yet.'
      : `--org "${wanted}": there is no organization with this id or name.`,
    all,
  );
}

type Named = { id: Uuid; name: string };
const listed = (all: readonly Named[]) => all.map((one) => `${one.id}  ${one.name}`);

function noneFits(reason: string, all: readonly Named[]): OptionRefused {
  const advice =
    all.length === 0
      ? '`npx cadenza orgs list` shows what there is, `npx cadenza orgs create` makes one'
      : 'Name one of these with --org';
  return new OptionRefused('not_found', reason, advice, listed(all));
}

async function organizationById({ db }: Installation, org: Uuid): Promise<Uuid | null> {
  try {
    return (await getOrganization(db, { org })).id;
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return null;
    throw error;
  }
}
