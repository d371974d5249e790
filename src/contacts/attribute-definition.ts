/** The custom attributes an organization knows. Owns `attribute_definitions`. */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { ATTRIBUTE_TYPES, type AttributeType } from './attribute-value.ts';

export interface AttributeDefinition {
  key: string;
  type: AttributeType;
  label: string;
}

/** Definitions an organization may have: each is a column of every screen and export. */
export const MAX_DEFINITIONS = 500;

const KEY = /^[a-z][a-z0-9_]{0,62}$/;

export async function listAttributes(db: Database, ctx: Context): Promise<AttributeDefinition[]> {
  return db.inOrg(ctx.org, (tx) =>
    tx.rows<AttributeDefinition>(
      sql`SELECT key, type, label FROM attribute_definitions WHERE org_id = ${ctx.org} ORDER BY key`,
    ),
  );
}

export async function typesOfAttributes(
  tx: Tx,
  ctx: Pick<Context, 'org'>,
): Promise<Map<string, AttributeType>> {
  const rows = await tx.rows<AttributeDefinition>(
    sql`SELECT key, type FROM attribute_definitions WHERE org_id = ${ctx.org}`,
  );
  return new Map(rows.map((row) => [row.key, row.type]));
}

/**
 * Defines an attribute, or gives a known one another label. Its type stays what it was: values of it exist.
 * @throws invalid_request for a bad key or type, conflict for another type than before
 */
export async function defineAttribute(
  db: Database,
  ctx: Context,
  input: AttributeDefinition,
): Promise<AttributeDefinition> {
  const problem = (field: string, code: string, message: string) =>
    new Problem('invalid_request', message, { errors: [{ field, code, message }] });
  if (!KEY.test(input.key))
    throw problem('key', 'invalid_key', 'A key has lower-case letters, digits and underscores.');
  if (!ATTRIBUTE_TYPES.includes(input.type))
    throw problem('type', 'invalid_type', `A type is one of ${ATTRIBUTE_TYPES.join(', ')}.`);
  return db.inOrg(ctx.org, async (tx) => {
    await defineIfNew(tx, ctx, [input]);
    const known = await tx.one<AttributeDefinition>(
      sql`SELECT key, type FROM attribute_definitions WHERE org_id = ${ctx.org} AND key = ${input.key}`,
    );
    if (known.type !== input.type)
      throw new Problem(
        'conflict',
        `The attribute ${input.key} is already there with the type ${known.type}.`,
      );
    const defined =
      await tx.one<AttributeDefinition>(sql`UPDATE attribute_definitions SET label = ${input.label}
      WHERE org_id = ${ctx.org} AND key = ${input.key} RETURNING key, type, label`);
    await audit(tx, ctx, {
      action: 'attribute.define',
      subject_type: 'attribute',
      subject_id: input.key,
      data: { type: input.type, label: input.label },
    });
    return defined;
  });
}

/** Those already known stay as they are. @throws invalid_request beyond MAX_DEFINITIONS */
export async function defineIfNew(tx: Tx, ctx: Context, definitions: AttributeDefinition[]): Promise<void> {
  if (definitions.length === 0) return;
  await tx.run(sql`INSERT INTO attribute_definitions (org_id, key, type, label)
    SELECT ${ctx.org}::uuid, key, type, label
    FROM json_to_recordset(${JSON.stringify(definitions)}::json) AS r(key text, type text, label text)
    ORDER BY key ON CONFLICT DO NOTHING`);
  const { count } = await tx.one<{ count: number }>(
    sql`SELECT count(*) AS count FROM attribute_definitions WHERE org_id = ${ctx.org}`,
  );
  if (count > MAX_DEFINITIONS)
    throw new Problem('invalid_request', `An organization may define ${MAX_DEFINITIONS} attributes.`);
}
