/**
 * Prints a database's own schema from its catalog, in the form of SQL: tables with columns, constraints, indexes,
 * row-level security, policies and grants, then functions by signature. Sorted, so that equal schemas give equal text.
 * Month partitions come and go with the calendar and are left out.
 */

const TABLES = `
  SELECT c.oid, c.relname AS name, c.relkind AS kind, c.relispartition AS partition, c.reloptions AS options,
    c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
    pg_get_partkeydef(c.oid) AS partitioned_by,
    (SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid) AS parent,
    pg_get_expr(c.relpartbound, c.oid) AS bound
  FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
    AND (NOT c.relispartition OR c.relname LIKE '%\\_default')
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'a', 'i') AND c.relkind = 'S')
  ORDER BY c.relname`;

const COLUMNS = `
  SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
    pg_get_expr(d.adbin, d.adrelid) AS fallback, a.attidentity AS identity, a.attgenerated AS generated
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

// Not-null constraints are shown with their columns (contype n exists since PostgreSQL 18).
const CONSTRAINTS = `
  SELECT conname AS name, pg_get_constraintdef(oid) AS text FROM pg_constraint
  WHERE conrelid = $1 AND contype <> 'n' AND conparentid = 0
  ORDER BY position(contype::text IN 'pucfx'), conname`;

const INDEXES = `
  SELECT pg_get_indexdef(i.indexrelid) AS text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid = $1 AND NOT c.relispartition
    AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
  ORDER BY c.relname`;

const POLICIES = `
  SELECT policyname AS name, permissive, cmd, roles::text[] AS roles, qual, with_check FROM pg_policies
  WHERE schemaname = 'public' AND tablename = $1 ORDER BY policyname`;

const GRANTS = `
  SELECT grantee, string_agg(privilege, ', ' ORDER BY privilege) AS privileges FROM (
    SELECT coalesce(r.rolname, 'PUBLIC') AS grantee, x.privilege_type AS privilege
    FROM pg_class c, aclexplode(c.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
    WHERE c.oid = $1 AND x.grantee <> c.relowner
    UNION ALL
    SELECT coalesce(r.rolname, 'PUBLIC'),
      x.privilege_type || ' (' || string_agg(a.attname, ', ' ORDER BY a.attnum) || ')'
    FROM pg_attribute a, aclexplode(a.attacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
    WHERE a.attrelid = $1 GROUP BY 1, x.privilege_type) g
  GROUP BY grantee ORDER BY grantee`;

const FUNCTIONS = `
  SELECT p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
    pg_get_function_result(p.oid) AS result, l.lanname AS language, p.provolatile AS volatility,
    p.prosecdef AS definer, pg_get_userbyid(p.proowner) AS owner, p.proowner = d.datdba AS owned, p.proconfig AS settings,
    (SELECT string_agg(coalesce(r.rolname, 'PUBLIC'), ', ' ORDER BY r.rolname NULLS FIRST)
      FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x LEFT JOIN pg_roles r ON r.oid = x.grantee
      WHERE x.grantee <> p.proowner) AS executors
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang, pg_database d
  WHERE p.pronamespace = 'public'::regnamespace AND d.datname = current_database()
    AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.objid = p.oid AND e.deptype = 'e')
  ORDER BY 1, 2`;

const VOLATILITY = { i: 'IMMUTABLE', s: 'STABLE', v: 'VOLATILE' };

function columnText({ name, type, required, fallback, identity, generated }) {
  const parts = [name, type];
  if (generated) parts.push(`GENERATED ALWAYS AS (${fallback}) STORED`);
  else if (identity) parts.push('GENERATED AS IDENTITY');
  else if (fallback !== null) parts.push(`DEFAULT ${fallback}`);
  if (required) parts.push('NOT NULL');
  return parts.join(' ');
}

function createText(table, columns, constraints) {
  const options = table.options ? ` WITH (${table.options.join(', ')})` : '';
  const by = table.partitioned_by ? ` PARTITION BY ${table.partitioned_by}` : '';
  const lines = [
    ...columns.map(columnText),
    ...constraints.map(({ name, text }) => `CONSTRAINT ${name} ${text}`),
  ];
  return `CREATE TABLE ${table.name} (\n  ${lines.join(',\n  ')}\n)${by}${options};`;
}

function policyText(table, { name, permissive, cmd, roles, qual, with_check: check }) {
  const kind = permissive === 'PERMISSIVE' ? '' : ' AS RESTRICTIVE';
  const using = qual === null ? '' : ` USING ${qual}`;
  const checking = check === null ? '' : ` WITH CHECK ${check}`;
  return `CREATE POLICY ${name} ON ${table}${kind} FOR ${cmd} TO ${roles.join(', ')}${using}${checking};`;
}

function functionText(row) {
  const traits = [row.language, VOLATILITY[row.volatility]];
  if (row.definer) traits.push(`SECURITY DEFINER OWNED BY ${row.owned ? 'the owner' : row.owner}`);
  for (const setting of row.settings ?? []) traits.push(`SET ${setting}`);
  traits.push(`EXECUTE: ${row.executors ?? 'the owner'}`);
  return `-- FUNCTION ${row.name}(${row.arguments}) RETURNS ${row.result}\n--   ${traits.join(' · ')}`;
}

async function tableText(client, table) {
  const rows = async (text, value) => (await client.query(text, [value])).rows;
  const { name } = table;
  const security = `${table.enabled ? 'ENABLE' : 'DISABLE'}, ${table.forced ? 'FORCE' : 'NO FORCE'}`;
  const create = table.partition
    ? `CREATE TABLE ${name} PARTITION OF ${table.parent} ${table.bound};`
    : createText(table, await rows(COLUMNS, table.oid), await rows(CONSTRAINTS, table.oid));
  return [
    create,
    ...(table.partition ? [] : (await rows(INDEXES, table.oid)).map(({ text }) => `${text};`)),
    `-- row-level security: ${security}`,
    ...(await rows(POLICIES, name)).map((policy) => policyText(name, policy)),
    ...(await rows(GRANTS, table.oid)).map(
      ({ grantee, privileges }) => `GRANT ${privileges} ON ${name} TO ${grantee};`,
    ),
  ].join('\n');
}

/** The schema of the connected database as text. */
export async function printCatalog(client) {
  await client.query(
    "SET search_path = public, pg_temp; SET quote_all_identifiers = off; SET timezone = 'UTC'",
  );
  const parts = [];
  for (const table of (await client.query(TABLES)).rows) {
    if (table.kind === 'S') parts.push(`CREATE SEQUENCE ${table.name};`);
    else parts.push(await tableText(client, table));
  }
  const functions = (await client.query(FUNCTIONS)).rows.map(functionText);
  return [...parts, ...functions].join('\n\n');
}
