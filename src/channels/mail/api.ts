/**
 * An e-mail provider's HTTP API as a connection of the port. In: what is the provider's own (the exact request, what
 * its answers mean). Out: a connection with bounded calls, one hard limit each, no retries and no redirects.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Connection, LookupOutcome, ProviderClass, SendOutcome, SendRequest } from '../channel.ts';
import { type Call, call, type HttpAnswer, newAgent } from '../http/call.ts';
import type { HttpConfig } from '../http/config.ts';
import { type Reading, sendOutcome } from '../http/outcome.ts';
import { Places } from '../http/places.ts';
import { checkEmail } from './check.ts';

type Question = Omit<Call, 'timeout_ms'>;
type Asked = Parameters<NonNullable<Connection['lookup']>>[0];

export interface MailApi<Config extends HttpConfig> {
  provider_class: ProviderClass;
  key_life_ms?: number;
  /** The request as the provider documents it. Its addresses are plain ASCII, nothing in it can break a header. */
  post(config: Config, request: SendRequest<EmailMessage>): Question;
  reading: Reading;
  lookup?: {
    get(config: Config, asked: Asked): Question;
    /** Of a complete 200. */
    read(answer: HttpAnswer, asked: Asked): LookupOutcome;
  };
}

export function openMailApi<Config extends HttpConfig>(
  config: Config,
  api: MailApi<Config>,
): Connection<EmailMessage> {
  const agent = newAgent(config.base_url, config.max_connections);
  const places = new Places(config);
  const connection: Connection<EmailMessage> = {
    provider_class: api.provider_class,
    ...(api.key_life_ms === undefined ? {} : { key_life_ms: api.key_life_ms }),
    capacity: () => places.capacity(),
    async send(request) {
      const ready = prepared(request);
      if ('kind' in ready) return ready;
      if (!places.take())
        return { kind: 'not_started', reason: 'no free connection, or the rate is used up' };
      try {
        const called = await call(agent, { ...api.post(config, ready), timeout_ms: request.timeout_ms });
        return withoutRecipient(sendOutcome(called, api.reading, Date.now()), ready);
      } finally {
        places.give();
      }
    },
    async close() {
      await places.close();
      agent.destroy();
    },
  };
  const { lookup } = api;
  if (lookup) {
    // Apart from the places of sends: a question must not wait for them, and few are asked.
    connection.lookup = async (asked) => {
      const called = await call(agent, { ...lookup.get(config, asked), timeout_ms: asked.timeout_ms });
      if (called.kind !== 'answered') return { kind: 'unclear', reason: called.reason };
      const { status, complete } = called.answer;
      if (status !== 200 || !complete) return { kind: 'unclear', reason: `status_${status}` };
      return lookup.read(called.answer, asked);
    };
  }
  return connection;
}

/** What a provider says is kept with the event, which outlives the erasure of a person: the address is taken out. */
function withoutRecipient(outcome: SendOutcome, { message }: SendRequest<EmailMessage>): SendOutcome {
  if (!('response' in outcome) || outcome.response === undefined) return outcome;
  return { ...outcome, response: outcome.response.replaceAll(message.to.address, '[recipient]') };
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

/** The content type of JSON APIs and what they are asked to answer in. */
export const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json' };
