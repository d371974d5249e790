/** An e-mail provider's HTTP API: what is checked of an e-mail before any of them gets it. */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Connection, Network, SendOutcome, SendRequest } from '../channel.ts';
import { type Api, type ApiChannel, openApi } from '../http/api.ts';
import type { HttpConfig } from '../http/config.ts';
import { checkEmail } from './check.ts';

const EMAIL: ApiChannel<EmailMessage> = {
  prepare: prepared,
  recipient: ({ to }) => [to.address],
};

/** Its addresses are plain ASCII for `post`, nothing in it can break a header. */
export function openMailApi<Config extends HttpConfig>(
  config: Config,
  network: Network | undefined,
  api: Api<EmailMessage, Config>,
): Connection<EmailMessage> {
  return openApi(config, network, api, EMAIL);
}

/** The request with its addresses in the form of the wire, or why no provider could take it. */
function prepared(request: SendRequest<EmailMessage>): SendRequest<EmailMessage> | SendOutcome {
  const checked = checkEmail(request);
  if (!checked.ok) {
    const { reason, detail } = checked;
    return { kind: 'refused', permanence: 'permanent', reason, response: detail };
  }
  const { from, to, reply_to } = checked;
  if (from.needs_smtputf8 || to.needs_smtputf8) {
    const response = 'The provider takes only ASCII before the @.';
    const reason = from.needs_smtputf8 ? 'sender_rejected' : 'other';
    return { kind: 'refused', permanence: 'permanent', reason, response };
  }
  const { message } = request;
  return {
    ...request,
    message: {
      ...message,
      from: { ...message.from, address: from.address },
      to: { ...message.to, address: to.address },
      ...(message.reply_to && reply_to
        ? { reply_to: { ...message.reply_to, address: reply_to.address } }
        : {}),
    },
  };
}
