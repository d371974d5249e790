/** What this process counts about itself; `/metrics` prints it. A room defines its own metrics on this registry. */
import { Counter, Registry } from 'prom-client';

export const registry = new Registry();

export const securityEvents = new Counter({
  name: 'cadenza_security_events_total',
  help: 'Security events by kind',
  labelNames: ['kind'] as const,
  registers: [registry],
});

export const settledTouches = new Counter({
  name: 'cadenza_touches_settled_total',
  help: 'Outcomes written, by outcome',
  labelNames: ['outcome'] as const,
  registers: [registry],
});
