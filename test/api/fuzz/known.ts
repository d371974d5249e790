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
};
