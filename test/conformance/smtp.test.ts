import { smtp } from '../../src/channels/smtp/adapter.ts';
import { describePostfix, startPostfix } from '../support/postfix.ts';
import { emailConformance } from './email.ts';
import type { Answer, EmailTarget } from './email-target.ts';
import { newSecret, startSinkTarget } from './sink-target.ts';

emailConformance(
  'smtp to the sink',
  { provider_class: 'N', credentials: true },
  async (): Promise<EmailTarget> => {
    const password = newSecret();
    const { common } = await startSinkTarget({ users: { ada: password } });
    const config = (port: number) => ({ host: '127.0.0.1', port, username: 'ada', password });
    return {
      ...common,
      connect: (port, more) => smtp.connect(smtp.config.parse({ ...config(port), ...more })),
      connectWithBadCredentials: (port) =>
        smtp.connect(smtp.config.parse({ ...config(port), password: newSecret() })),
    };
  },
);

const POSTFIX_RECIPIENTS: Record<Answer, string> = {
  ok: 'bob@example.test',
  unknown: 'unknown@example.test',
  policy: 'policy@example.test',
  full: 'full@example.test',
  greylisted: 'grey@example.test',
  later: 'later@example.test',
  throttled: 'busy@example.test',
};

describePostfix('over a real Postfix', () => {
  emailConformance('smtp', { provider_class: 'N', credentials: false }, async (): Promise<EmailTarget> => {
    const postfix = await startPostfix();
    return {
      port: postfix.port,
      connect: (port, more) => smtp.connect(smtp.config.parse({ host: '127.0.0.1', port, ...more })),
      accepted: (message_id) => postfix.accepted(message_id),
      settled: () => postfix.settled(),
      recipient: (answer) => POSTFIX_RECIPIENTS[answer],
      stop: () => postfix.stop(),
    };
  });
});
