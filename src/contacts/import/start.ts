/** Sets an import off: its mapping is confirmed, new attributes are defined, and the work is queued. */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { audit } from '../../tenancy/audit.ts';
import type { Context } from '../../tenancy/context.ts';
import { defineIfNew } from '../attribute-definition.ts';
import { normalizeCountry } from '../phone-number.ts';
import { MAX_TAGS, normalizeTag } from '../tag.ts';
import { attributeKey, type ColumnMapping, mappingFrom } from './fields.ts';
import { type ExistingPolicy, findImport, type ImportRecord } from './import.ts';
import type { Identity } from './row.ts';

export interface ImportSettings {
  /** Column to field or field to column; the guess when left out. */
  mapping?: Record<string, string | null> | undefined;
  /** What makes two rows the same contact. Default: email. */
  identity?: Identity | undefined;
  /** Default: skip. */
  existing?: ExistingPolicy | undefined;
  tags?: string[] | undefined;
  /** ISO 3166 code of the country that phone numbers without `+` belong to. */
  default_country?: string | null | undefined;
}

export interface ConfirmedSettings {
  mapping: ColumnMapping[];
  identity: Identity;
  existing: ExistingPolicy;
  tags: string[];
  default_country: string | null;
}

/** The settings checked against the file. @throws invalid_request */
export function confirmSettings(record: ImportRecord, settings: ImportSettings): ConfirmedSettings {
  const mapping =
    settings.mapping === undefined ? record.mapping : mappingFrom(settings.mapping, record.header);
  const identity = settings.identity ?? 'email';
  const refuse = (field: string, code: string, message: string) =>
    new Problem('invalid_request', message, { errors: [{ field, code, message }] });
  if (!mapping.some(({ field }) => field === identity))
    throw refuse(
      'mapping',
      'identity_not_mapped',
      `No column is mapped to ${identity}, which tells contacts apart.`,
    );
  const tags = (settings.tags ?? []).map((tag) => {
    const clean = normalizeTag(tag);
    if (clean === null) throw refuse('tags', 'invalid_tag', `"${tag}" is not a tag.`);
    return clean;
  });
  if (tags.length > MAX_TAGS) throw refuse('tags', 'too_many', `${MAX_TAGS} tags are possible.`);
  let country: string | null = null;
  if (settings.default_country) {
    country = normalizeCountry(settings.default_country);
    if (country === null)
      throw refuse('default_country', 'unknown_country', 'Give an ISO 3166 code, such as DE.');
  }
  return {
    mapping,
    identity,
    existing: settings.existing ?? 'skip',
    tags: [...new Set(tags)],
    default_country: country,
  };
}

/**
 * `queue` false leaves the work to the caller, who calls `runImport` (the CLI, with its progress bar).
 * @throws not_found, invalid_request, conflict when it was started before
 */
export async function startImport(
  db: Database,
  ctx: Context,
  input: ImportSettings & { import_id: Uuid; queue?: boolean },
): Promise<ImportRecord> {
  return db.inOrg(ctx.org, async (tx) => {
    const record = await findImport(tx, ctx, input.import_id);
    if (record.status !== 'ready') throw new Problem('conflict', `The import is ${record.status}.`);
    const confirmed = confirmSettings(record, input);
    const started = await tx.run(sql`UPDATE imports SET status = 'running', started_at = now(),
        mapping = ${JSON.stringify(confirmed.mapping)}, identity = ${confirmed.identity},
        existing = ${confirmed.existing}, tags = ${confirmed.tags}, default_country = ${confirmed.default_country}
      WHERE org_id = ${ctx.org} AND id = ${record.id} AND status = 'ready'`);
    if (started === 0) throw new Problem('conflict', 'The import was started by somebody else.');
    await defineIfNew(
      tx,
      ctx,
      confirmed.mapping.flatMap(({ column, field }) => {
        const key = field === null ? null : attributeKey(field);
        return key === null ? [] : [{ key, type: 'text' as const, label: column }];
      }),
    );
    await audit(tx, ctx, {
      action: 'import.start',
      subject_type: 'import',
      subject_id: record.id,
      data: { filename: record.filename, ...confirmed, mapping: undefined },
    });
    if (input.queue !== false)
      // One import of an organization at a time: two would wait for each other's rows.
      await tx.run(sql`SELECT graphile_worker.add_job('import_contacts',
        ${JSON.stringify({ org: ctx.org, import_id: record.id })}::json,
        queue_name => ${`imports:${ctx.org}`}, job_key => ${`import:${record.id}`}, max_attempts => 25)`);
    return findImport(tx, ctx, record.id);
  });
}
