/** Published versions: immutable, so workers keep the ones they use in memory. */
import { LRUCache } from 'lru-cache';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Definition } from './definition.ts';

export interface Version {
  id: Uuid;
  sequence_id: Uuid;
  sequence_name: string;
  number: number;
  definition: Definition;
}

const MAX_CACHED = 2_000;

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
      tx.rows<Version>(sql`
        SELECT v.id, v.sequence_id, s.name AS sequence_name, v.number, v.definition
          FROM sequence_versions v JOIN sequences s ON s.org_id = v.org_id AND s.id = v.sequence_id
         WHERE v.org_id = ${org} AND v.id = ANY (${missing})`),
    );
    for (const version of rows) {
      this.#cache.set(`${org}.${version.id}`, version);
      found.set(version.id, version);
    }
    return found;
  }

  async one(org: Uuid, id: Uuid): Promise<Version | null> {
    return (await this.get(org, [id])).get(id) ?? null;
  }
}
