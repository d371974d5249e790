/**
 * A provider's HTTP API as a connection of the port. In: what is the provider's own (the exact request, what its answers
 * mean) and what its channel checks. Out: a connection with bounded calls, one hard limit each, no retries and no
 * redirects.
 */
import type { Message } from '../../kernel/message.ts';
import type {
  Connection,
  LookupOutcome,
  Network,
  ProviderClass,
  SendOutcome,
  SendRequest,
} from '../channel.ts';
import { type Call, call, type HttpAnswer, newAgent } from './call.ts';
import type { CallLimits } from './config.ts';
import { type Reading, sendOutcome } from './outcome.ts';
import { Places } from './places.ts';

export type Question = Omit<Call, 'timeout_ms'>;
type Asked = Parameters<NonNullable<Connection['lookup']>>[0];

/** What the provider says of itself. */
export interface Api<M extends Message, Config extends CallLimits> {
  provider_class: ProviderClass;
  key_life_ms?: number;
  /** The request as the provider documents it, of a message that passed the channel's checks. */
  post(config: Config, request: SendRequest<M>): Question;
  reading: Reading;
  /** Each message names where it goes: an address that may not be reached is its own fault, not the sender's. */
  addressed?: true;
  lookup?: {
    get(config: Config, asked: Asked): Question;
    /** Of a complete 200. */
    read(answer: HttpAnswer, asked: Asked): LookupOutcome;
  };
}

/** What all providers of a channel have in common. */
export interface ApiChannel<M extends Message> {
  /** The request with its addresses in the form of the wire, or why no provider could take it. */
  prepare(request: SendRequest<M>): SendRequest<M> | SendOutcome;
  /** How the recipient may stand in an answer: taken out of what is kept, which outlives the erasure of a person. */
  recipient(message: M): readonly string[];
}

export function openApi<M extends Message, Config extends CallLimits>(
  config: Config,
  network: Network | undefined,
  api: Api<M, Config>,
  channel: ApiChannel<M>,
): Connection<M> {
  const agent = newAgent(config.max_connections, network);
  const places = new Places(config);
  const connection: Connection<M> = {
    provider_class: api.provider_class,
    ...(api.key_life_ms === undefined ? {} : { key_life_ms: api.key_life_ms }),
    capacity: () => places.capacity(),
    async send(request) {
      const ready = channel.prepare(request);
      if ('kind' in ready) return ready;
      if (!places.take())
        return { kind: 'not_started', reason: 'no free connection, or the rate is used up' };
      try {
        const called = await call(agent, { ...api.post(config, ready), timeout_ms: request.timeout_ms });
        const outcome = blamed(sendOutcome(called, api.reading, Date.now()), api.addressed === true);
        return without(outcome, channel.recipient(ready.message));
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

function blamed(outcome: SendOutcome, addressed: boolean): SendOutcome {
  if (addressed || outcome.kind !== 'refused' || outcome.reason !== 'destination_forbidden') return outcome;
  return { ...outcome, reason: 'sender_rejected' };
}

function without(outcome: SendOutcome, recipients: readonly string[]): SendOutcome {
  if (!('response' in outcome) || outcome.response === undefined) return outcome;
  const response = recipients.reduce((text, one) => text.replaceAll(one, '[recipient]'), outcome.response);
  return { ...outcome, response };
}

/** The content type of JSON APIs and what they are asked to answer in. */
export const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json' };
