/** `/api/health`: what is wrong with an organization's outreach, by the checks that the modules register. */
import { z } from 'zod';
import { Problem } from '../../kernel/problem.ts';
import type { Context } from '../../tenancy/context.ts';
import type { ApiDeps } from '../deps.ts';
import type { HealthCheck } from '../health-check.ts';
import { ok, type Route, route } from '../route.ts';

const tag = 'Health';
const STATUSES = ['ok', 'warn', 'fail'] as const;

const finding = z
  .object({
    name: z.string(),
    about: z.string(),
    status: z.enum(STATUSES),
    detail: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'HealthFinding' });

const health = z.object({
  status: z.enum(STATUSES).describe('The worst of the checks'),
  checks: z.array(finding),
});

async function runCheck({ db, logger }: ApiDeps, ctx: Context, check: HealthCheck) {
  const { name, about } = check;
  try {
    const { status, detail, data = {} } = await check.run(db, ctx);
    return { name, about, status, detail, data };
  } catch (err) {
    // A check that cannot answer is a finding too, and must not hide the others.
    logger.error({ err, check: name, request_id: ctx.request_id }, 'a health check failed to run');
    return { name, about, status: 'fail' as const, detail: 'The check itself failed to run', data: {} };
  }
}

export function healthRoutes(deps: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/health',
      tag,
      summary: 'Run all health checks',
      scope: 'outreach:read',
      answers: { 200: health },
      handle: async (caller) => {
        const checks = [];
        for (const check of deps.checks) checks.push(await runCheck(deps, caller, check));
        const worst = Math.max(0, ...checks.map((one) => STATUSES.indexOf(one.status)));
        return ok({ status: STATUSES[worst], checks });
      },
    }),
    route({
      method: 'GET',
      path: '/api/health/:name',
      tag,
      summary: 'Run one health check',
      scope: 'outreach:read',
      params: z.object({ name: z.string().max(100) }),
      answers: { 200: finding },
      handle: async (caller, { params }) => {
        const check = deps.checks.find((one) => one.name === params.name);
        if (!check) throw new Problem('not_found', 'There is no health check of this name');
        return ok(await runCheck(deps, caller, check));
      },
    }),
  ];
}
