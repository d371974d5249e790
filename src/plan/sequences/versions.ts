/** Published versions: immutable, so workers keep the ones they use in memory. */
import { LRUCache } from 'lru-cache';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Channel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound } from '../../kernel/problem.ts';
import type { Definition } from './definition.ts';
import { LIVE_STATUSES } from './lifecycle.ts';
import { withScopes } from './scopes.ts';
import { type SendersByChannel, sendersByChannel } from './step-sender.ts';

export interface Version {
  id: Uuid;
  sequence_id: Uuid;
  sequence_name: string;
  number: number;
  definition: Definition;
  senders: SendersByChannel;
  /** Ids of the steps that have variants. */
  varied: readonly Uuid[];
}

const MAX_CACHED = 2_000;
/** Versions listed; older ones are left out. */
const MAX_LISTED = 500;

/** One an organization's database and process; keyed by organization too, so a wrong id finds nothing (TEN-1). */
export class VersionCache {
  readonly #db: Database;
  readonly #cache = new LRUCache<string, Version>({ max: MAX_CACHED });

  constructor(db: Database) {
    this.#db = db;
  }

  /** Those that exist, by id. One statement for all that are missing. */
  async get(org: Uuid, ids: readonly Uuid[]): Promise<Map<Uuid, Version>> {
    const found = new Map<Uuid, Version>();
    const missing: Uuid[] = [];
    for (const id of new Set(ids)) {
      const hit = this.#cache.get(`${org}.${id}`);
      if (hit) found.set(id, hit);
      else missing.push(id);
    }
    if (missing.length === 0) return found;
    const rows = await this.#db.inOrg(org, (tx) =>
      tx.rows<Omit<Version, 'senders' | 'varied'> & { channels: Record<Uuid, Channel> }>(sql`
        SELECT v.id, v.sequence_id, s.name AS sequence_name, v.number, v.definition,
               (SELECT coalesce(jsonb_object_agg(x.id, x.channel), '{}') FROM senders x
                 WHERE x.org_id = ${org} AND v.definition->'sender_ids' ? x.id::text) AS channels
          FROM sequence_versions v JOIN sequences s ON s.org_id = v.org_id AND s.id = v.sequence_id
         WHERE v.org_id = ${org} AND v.id = ANY (${missing})`),
    );
    for (const { channels, definition, ...row } of rows) {
      const version = {
        ...row,
        definition: withScopes(definition),
        senders: sendersByChannel(definition, (id) => channels[id]),
        varied: definition.steps.flatMap((step) => (step.variants ? [step.id] : [])),
      };
      this.#cache.set(`${org}.${version.id}`, version);
      found.set(version.id, version);
    }
    return found;
  }

  async one(org: Uuid, id: Uuid): Promise<Version | null> {
    return (await this.get(org, [id])).get(id) ?? null;
  }
}

export interface PublishedVersionCount {
  id: Uuid;
  number: number;
  published_by: string;
  published_at: Date;
  /** The one new enrollments get. */
  current: boolean;
  active: number;
  paused: number;
}

/** Newest first, with the live enrollments at each. @throws not_found */
export async function listVersions(
  db: Database,
  org: Uuid,
  sequence: Uuid,
): Promise<PublishedVersionCount[]> {
  return db.inOrg(org, async (tx) => {
    const row = await tx.maybe<{ current: Uuid | null }>(
      sql`SELECT published_version_id AS current FROM sequences WHERE org_id = ${org} AND id = ${sequence}`,
    );
    if (!row) throw notFound('sequence', sequence);
    return tx.rows<PublishedVersionCount>(sql`
      SELECT v.id, v.number, v.published_by, v.published_at, v.id IS NOT DISTINCT FROM ${row.current} AS current,
             coalesce(c.active, 0) AS active, coalesce(c.paused, 0) AS paused
        FROM sequence_versions v LEFT JOIN (
          SELECT e.version_id, count(*) FILTER (WHERE e.status = 'active')::int AS active, count(*) FILTER (WHERE e.status = 'paused')::int AS paused
            FROM enrollments e WHERE e.org_id = ${org} AND e.sequence_id = ${sequence} AND e.status = ANY (${[...LIVE_STATUSES]})
           GROUP BY 1) c ON c.version_id = v.id
       WHERE v.org_id = ${org} AND v.sequence_id = ${sequence} ORDER BY v.number DESC LIMIT ${MAX_LISTED}`);
  });
}
