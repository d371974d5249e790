import { sandbox } from '../../src/channels/sandbox/adapter.ts';
import { startSinkHttp } from '../../src/channels/sandbox/http.ts';
import { emailConformance } from './email.ts';
import type { EmailTarget } from './email-target.ts';
import { newSecret, startSinkTarget } from './sink-target.ts';

emailConformance(
  'sandbox to the sink',
  { provider_class: 'L', credentials: false },
  async (): Promise<EmailTarget> => {
    const { sink, common } = await startSinkTarget();
    const token = newSecret();
    const http = await startSinkHttp(sink, { token });
    const connect = (port: number, more: Record<string, unknown> = {}) =>
      sandbox.connect(
        sandbox.config.parse({ host: '127.0.0.1', port, lookup_url: http.url, lookup_token: token, ...more }),
      );
    return {
      ...common,
      connect,
      connectWithoutLookup: (port) => connect(port, { lookup_token: newSecret() }),
      async stop() {
        await http.stop();
        await common.stop();
      },
    };
  },
);
