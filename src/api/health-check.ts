/** One question about an organization's state that an operator may ask, and alert on. */
import type { Database } from '../db/database.ts';
import type { Context } from '../tenancy/context.ts';

export interface Finding {
  status: 'ok' | 'warn' | 'fail';
  /** One sentence. */
  detail: string;
  /** Figures and ids. */
  data?: Record<string, unknown> | undefined;
}

export interface HealthCheck {
  /** `stale-runs`: the last part of `/api/health/stale-runs`. */
  name: string;
  /** What it looks for, one sentence. */
  about: string;
  run(db: Database, ctx: Context): Promise<Finding>;
}
