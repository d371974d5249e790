/** Where things are in the public API, in one place. */
import type { TargetClass } from './checker/evidence.ts';
import type { Wanted } from './client.ts';

type Route = Pick<Wanted, 'method' | 'path'> & { body?: unknown };

export const routes = {
  contacts: '/api/contacts',
  senders: '/api/senders',
  sequences: '/api/outreach/sequences',
  enrollments: '/api/outreach/enrollments',
  touches: '/api/touches',
  dueSteps: '/api/outreach/due-steps',
  dueStep: (id: string) => `/api/outreach/due-steps/${id}`,
  organization: '/api/organization',
  events: '/api/events',
  segments: '/api/segments',
  receipt: (id: string) => `/api/receipts/${id}`,
  winner: (sequence: string, step: string) => `/api/outreach/sequences/${sequence}/steps/${step}/winner`,
  publish: (id: string) => `/api/outreach/sequences/${id}/publish`,
  unsubscribe: (contact: string, channel: string): Route => ({
    method: 'POST',
    path: `/api/contacts/${contact}/unsubscribe`,
    body: { channel },
  }),
  resolve: (touch: string) => `/api/touches/${touch}/resolve`,
};

/** A kill switch, thrown or let go. */
export function switchRoute(kind: TargetClass, id: string, paused: boolean): Route {
  const verb = paused ? 'pause' : 'resume';
  switch (kind) {
    case 'sequence':
      return { method: 'POST', path: `/api/outreach/sequences/${id}/${verb}` };
    case 'sender':
      return { method: 'POST', path: `/api/senders/${id}/${verb}` };
    case 'channel':
      return { method: 'POST', path: '/api/switches', body: { class: 'channel', id, paused } };
    default:
      return { method: 'POST', path: '/api/switches', body: { class: 'organization', paused } };
  }
}
