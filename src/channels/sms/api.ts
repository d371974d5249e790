/** An SMS provider's HTTP API: what is checked of a text message before any of them gets it. */
import type { SmsMessage } from '../../kernel/message.ts';
import type { Connection, Network, SendOutcome, SendRequest } from '../channel.ts';
import { type Api, type ApiChannel, openApi } from '../http/api.ts';
import type { HttpConfig } from '../http/config.ts';
import { flaw, textFlaw } from '../http/outcome.ts';

const E164 = /^\+[1-9]\d{6,14}$/;
/** More no provider takes in one message. */
const MAX_CHARS = 1_600;

const SMS: ApiChannel<SmsMessage> = {
  prepare,
  // Providers repeat it with and without its plus, or as a form has it.
  recipient: ({ to }) => [to, encodeURIComponent(to), to.slice(1)],
};

export function openSmsApi<Config extends HttpConfig>(
  config: Config,
  network: Network | undefined,
  api: Api<SmsMessage, Config>,
): Connection<SmsMessage> {
  return openApi(config, network, api, SMS);
}

function prepare(request: SendRequest<SmsMessage>): SendRequest<SmsMessage> | SendOutcome {
  const { from, to, text } = request.message;
  if (!E164.test(to)) return flaw('address_rejected', 'The recipient is no number in E.164.');
  if (!E164.test(from)) return flaw('sender_rejected', 'The sender is no number in E.164.');
  return textFlaw(text, MAX_CHARS) ?? request;
}
