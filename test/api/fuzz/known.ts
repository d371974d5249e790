/**
 * Bodies that are known to be good, for what a description cannot say (a provider's own configuration, a sender that
 * exists, a template whose variables do). The fuzzer sends them as they are, and spoiled.
 */
import { recent, type Sources } from './values.ts';

function idsOf({ idsOf, random }: Sources, collection: string): string[] {
  const ids = idsOf.get(collection) ?? [];
  return ids.length === 0 ? [] : [recent(ids, random)];
}

export const KNOWN: Record<string, ((sources: Sources) => unknown)[]> = {
  'POST /api/senders': [
    () => ({
      channel: 'email',
      provider: 'smtp',
      name: 'Relay',
      from: { name: 'Ann', address: 'ann@example.org' },
      config: { host: '127.0.0.1', port: 2525, secure: false, username: 'ann', password: 'secret' },
      daily_limit: 200,
    }),
  ],
  'POST /api/outreach/sequences': [
    (sources) => ({
      name: 'Welcome',
      sender_ids: idsOf(sources, '/api/senders'),
      window: { days: ['mon', 'tue'], from: '09:00', to: '17:00', time_zone: 'Europe/Berlin' },
      steps: [
        {
          channel: 'email',
          mode: 'automatic',
          delay: { amount: 0, unit: 'minutes' },
          subject: 'Hello {{ contact.first_name | default: "there" }}',
          body_text: 'How are you?',
        },
        { channel: 'email', delay: { amount: 2, unit: 'days' }, body_text: 'Did you see this?' },
      ],
    }),
    () => ({
      name: 'Spring',
      window: { days: ['mon', 'fri'], from: '09:00', to: '17:00', time_zone: 'Europe/Berlin' },
      steps: [
        { channel: 'email', subject: 'Hello {{ contact.first_name | default: "you" }}', body_text: 'One' },
        { channel: 'email', delay: { amount: 2, unit: 'business_days' }, body_html: '<p>Two</p>' },
      ],
    }),
  ],
  'POST /api/contacts': [
    ({ random }) => ({ email: `c${random.below(500)}@example.org`, first_name: 'Ada', tags: ['new'] }),
  ],
  'POST /api/outreach/enrollments': [
    (sources) => ({
      sequence_id: idsOf(sources, '/api/outreach/sequences')[0],
      contact_id: idsOf(sources, '/api/contacts')[0],
    }),
  ],
};
