/**
 * What isolation asks of a schema, read from the catalog, so that a new table is judged without being named here.
 * Each function gives findings: sentences about what is wrong.
 */
import type pg from 'pg';

/** Tables that may be read without a tenant, and why. */
export const EXEMPT: Record<string, string> = {
  // [I7] The credential's hash is all that is known when it is read; it is written inside its organization only.
  directory: 'read by hash before the organization is known',
  schema_migrations: 'names of migrations; no tenant data',
  installation_secrets: 'values derived from the master secrets; no tenant data',
  job_workers: 'names of processes that work the job queue; no tenant data',
};

/** Functions that run as somebody else, counted. */
export const DEFINER_FUNCTIONS = [
  'lane_soonest',
  'lane_take',
  'lane_waits',
  'refresh_statistics',
  'template_turns_take',
];

/** Runs as the owner of the tables, who alone may analyze them before PostgreSQL 17; takes no argument and answers with a count. */
const AS_OWNER = 'refresh_statistics';

/** What the lane picker may see of tenant tables: enough to find work, nothing of what it is about. */
export const PICKER_GRANTS = [
  'lanes: SELECT, UPDATE',
  'organizations.org_id: SELECT',
  'organizations.sending_paused: SELECT',
  'organizations.status: SELECT',
  'senders.channel: SELECT',
  'senders.id: SELECT',
  'senders.org_id: SELECT',
  'senders.provider: SELECT',
  'senders.status: SELECT',
  'senders.templates_due_at: SELECT, UPDATE',
  'touches.org_id: SELECT',
  'touches.priority: SELECT',
  'touches.wake_at: SELECT',
];

async function names(client: pg.Client, text: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(text, values);
  return rows.map((row) => row.name);
}

/** Tables with an organization, partitions aside. */
export async function tenantTables(client: pg.Client): Promise<string[]> {
  return names(
    client,
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND NOT a.attisdropped AND NOT c.relname = ANY ($1) ORDER BY 1`,
    [Object.keys(EXEMPT)],
  );
}

async function withoutOrganization(client: pg.Client): Promise<string[]> {
  const found = await names(
    client,
    `SELECT c.relname AS name FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relname = ANY ($1)
       AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id'
         AND a.attnotnull AND a.atttypid = 'uuid'::regtype)`,
    [Object.keys(EXEMPT)],
  );
  return found.map((name) => `${name} has no org_id uuid NOT NULL, and is not a named exception`);
}

async function withoutSecurity(client: pg.Client): Promise<string[]> {
  const found = await names(
    client,
    `SELECT c.relname AS name FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migrations'
       AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
  );
  return found.map((name) => `${name} does not have row-level security enabled and forced`);
}

/** A policy for everybody that is not about the organization lets everybody through. */
async function widePolicies(client: pg.Client): Promise<string[]> {
  const found = await names(
    client,
    `SELECT tablename || '.' || policyname AS name FROM pg_policies
     WHERE schemaname = 'public' AND roles <> ARRAY['cadenza_picker']::name[]
       AND NOT (tablename = 'directory' AND cmd = 'SELECT') AND tablename NOT IN ('job_workers', 'installation_secrets')
       AND (permissive <> 'PERMISSIVE'
         OR coalesce(qual, with_check) NOT LIKE '(org_id = (NULLIF(current_setting(''app.org''::text, true), ''''::text))::uuid)'
         OR coalesce(with_check, qual) NOT LIKE '(org_id = (NULLIF(current_setting(''app.org''::text, true), ''''::text))::uuid)')`,
  );
  return found.map((name) => `the policy ${name} is not the tenant policy`);
}

async function reachablePartitions(client: pg.Client): Promise<string[]> {
  const found = await names(
    client,
    `SELECT c.relname || ' by ' || r.rolname AS name FROM pg_class c, pg_roles r
     WHERE c.relispartition AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
       AND r.rolname IN ('cadenza_app', 'cadenza_picker', 'cadenza_readonly')
       AND (has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
         OR has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))`,
  );
  return found.map((name) => `the partition ${name} can be reached past its parent's policy`);
}

async function dangerousPrivileges(client: pg.Client): Promise<string[]> {
  const tables = await names(
    client,
    `SELECT r.rolname || ' on ' || c.relname AS name FROM pg_class c, pg_roles r
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND r.rolname IN ('cadenza_app', 'cadenza_picker', 'cadenza_readonly')
       AND has_table_privilege(r.oid, c.oid, 'TRUNCATE, TRIGGER, REFERENCES')`,
  );
  const changes = await names(
    client,
    `SELECT relname AS name FROM pg_class WHERE relname IN ('audit_log', 'security_events', 'consents')
       AND has_any_column_privilege('cadenza_app', oid, 'UPDATE')
     UNION SELECT relname FROM pg_class WHERE relname IN ('audit_log', 'security_events', 'consents')
       AND has_table_privilege('cadenza_app', oid, 'DELETE')
     UNION SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND has_table_privilege('cadenza_readonly', oid, 'INSERT, UPDATE, DELETE')`,
  );
  const schema = await names(
    client,
    `SELECT rolname AS name FROM pg_roles WHERE rolname IN ('cadenza_app', 'cadenza_picker', 'cadenza_readonly')
       AND (has_schema_privilege(oid, 'public', 'CREATE') OR rolbypassrls OR rolsuper OR rolcreaterole OR rolcanlogin)`,
  );
  return [
    ...tables.map((name) => `${name} may truncate, or set triggers or references`),
    ...changes.map((name) => `${name} can be changed by a role that may only add or read`),
    ...schema.map((name) => `${name} may more than its role needs`),
  ];
}

/** Keys without org_id tell that another organization has the same value; foreign keys without it point across. */
async function keysAcross(client: pg.Client): Promise<string[]> {
  const unique = await names(
    client,
    `SELECT i.indexrelid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND NOT c.relname = ANY ($1)
       AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id'
         AND a.attnum = ANY (i.indkey::int2[]))`,
    [Object.keys(EXEMPT)],
  );
  const foreign = await names(
    client,
    `SELECT k.conname AS name FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
     WHERE k.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND NOT EXISTS (
       SELECT 1 FROM generate_subscripts(k.conkey, 1) n
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[n] AND a.attname = 'org_id'
         JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[n] AND b.attname = 'org_id')`,
  );
  return [
    ...unique.map((name) => `the unique index ${name} does not include org_id`),
    ...foreign.map((name) => `the foreign key ${name} can point at another organization's row`),
  ];
}

async function functionsAsOthers(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string; pinned: boolean; owner: string; open: boolean }>(
    `SELECT p.proname AS name, pg_get_userbyid(p.proowner) AS owner,
       EXISTS (SELECT 1 FROM unnest(p.proconfig) s WHERE s LIKE 'search\\_path=%') AS pinned,
       EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE x.grantee = 0) AS open
     FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef ORDER BY 1`,
  );
  const found = rows.map((row) => row.name);
  return [
    ...(found.join() === DEFINER_FUNCTIONS.join()
      ? []
      : [`SECURITY DEFINER functions are ${found.join(', ')}; named are ${DEFINER_FUNCTIONS.join(', ')}`]),
    ...rows.filter((row) => !row.pinned).map((row) => `${row.name} does not pin its search_path`),
    ...rows
      .filter((row) => row.owner !== 'cadenza_picker' && row.name !== AS_OWNER)
      .map((row) => `${row.name} runs as ${row.owner}`),
    ...rows.filter((row) => row.open).map((row) => `${row.name} may be called by anybody`),
  ];
}

async function views(client: pg.Client): Promise<string[]> {
  const found = await names(
    client,
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm'
       OR (relkind = 'v' AND NOT coalesce(reloptions::text[] && ARRAY['security_invoker=true', 'security_invoker=on'], false)))`,
  );
  return found.map((name) => `the view ${name} reads with its owner's rights`);
}

async function pickerGrants(client: pg.Client): Promise<string[]> {
  const found = await names(
    client,
    `SELECT name FROM (
       SELECT c.relname || ': ' || string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS name
       FROM pg_class c, aclexplode(c.relacl) x
       WHERE x.grantee = 'cadenza_picker'::regrole AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname
       UNION ALL
       SELECT c.relname || '.' || a.attname || ': ' || string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type)
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
       WHERE x.grantee = 'cadenza_picker'::regrole GROUP BY c.relname, a.attname) g ORDER BY name COLLATE "C"`,
  );
  return found.join() === PICKER_GRANTS.join() ? [] : [`the picker may see: ${found.join('; ')}`];
}

/** All of it; nothing when the schema isolates. `client` is the owner's. */
export async function isolationFindings(client: pg.Client): Promise<string[]> {
  const findings: string[] = [];
  for (const look of [
    withoutOrganization,
    withoutSecurity,
    widePolicies,
    reachablePartitions,
    dangerousPrivileges,
    keysAcross,
    functionsAsOthers,
    views,
    pickerGrants,
  ])
    findings.push(...(await look(client)));
  return findings;
}

const VALUES: Record<string, string> = {
  uuid: 'gen_random_uuid()',
  text: "'x'",
  int4: '1',
  int2: '1',
  int8: '1',
  numeric: '1',
  float8: '1',
  bool: 'true',
  timestamptz: 'now()',
  date: 'current_date',
  jsonb: "'{}'",
  bytea: "'\\x00'",
  interval: "'1 day'",
};

function sampleOf(type: string, table: string): string {
  if (type.startsWith('_')) return `'{}'`;
  const value = VALUES[type];
  if (value === undefined) throw new Error(`teach VALUES a value of type ${type} (table ${table})`);
  return value;
}

/**
 * One row for each organization in every tenant table, so that there is something to protect. Checks and foreign keys
 * are dropped first: they are not what is tested, and any value will do then. `client` is a superuser on a database
 * of the test's own.
 */
export async function fillEveryTable(client: pg.Client, organizations: string[]): Promise<void> {
  const { rows: constraints } = await client.query<{ name: string; table: string }>(
    `SELECT conname AS name, conrelid::regclass::text AS table FROM pg_constraint
     WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace AND conparentid = 0 AND coninhcount = 0
     ORDER BY contype DESC`,
  );
  for (const { name, table } of constraints)
    await client.query(`ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS "${name}"`);
  for (const table of await tenantTables(client)) {
    const { rows: columns } = await client.query<{ name: string; type: string }>(
      `SELECT a.attname AS name, t.typname AS type FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
       WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
         AND a.attname <> 'org_id' AND a.attgenerated = ''`,
      [table],
    );
    const list = ['org_id', ...columns.map((column) => column.name)].join(', ');
    for (const org of organizations) {
      const values = [`'${org}'`, ...columns.map((column) => sampleOf(column.type, table))].join(', ');
      await client.query(`INSERT INTO ${table} (${list}) VALUES (${values})`);
    }
  }
}
