/**
 * Bodies that are known to be good, for what a description cannot say (a provider's own configuration, a template
 * whose variables exist). The fuzzer sends them as they are, and spoiled.
 */
export const KNOWN: Record<string, unknown[]> = {
  'POST /api/senders': [
    {
      channel: 'email',
      provider: 'smtp',
      name: 'Relay',
      from: { name: 'Ann', address: 'ann@example.org' },
      config: { host: '127.0.0.1', port: 2525, secure: false },
      daily_limit: 200,
    },
  ],
  'POST /api/outreach/sequences': [
    {
      name: 'Spring',
      window: { days: ['mon', 'fri'], from: '09:00', to: '17:00', time_zone: 'Europe/Berlin' },
      steps: [
        { channel: 'email', subject: 'Hello {{ contact.first_name | default: "you" }}', body_text: 'One' },
        { channel: 'email', delay: { amount: 2, unit: 'business_days' }, body_html: '<p>Two</p>' },
      ],
    },
  ],
};
