/** What the fuzzer runs against: one provider whose real schema is asked, and whose verification reaches nobody. */
import type { Adapter } from '../../../src/channels/channel.ts';
import { smtp } from '../../../src/channels/smtp/adapter.ts';

export const quietSmtp: Adapter = {
  ...smtp,
  verify: async () => ({ ok: true, detail: 'Not asked', checks: [] }),
};
