/**
 * The port every provider adapter implements. An adapter is an island: it knows its provider's protocol and
 * nothing of touches, sequences or the database. It never throws for what a provider does: every answer, cut
 * and silence is one of the outcomes below. Its client's own retries and redirects are off.
 */
import type { SenderChannel } from '../kernel/channels.ts';
import type { Message } from '../kernel/message.ts';

/**
 * What a provider can prove after a lost answer (DESIGN section 3, reconcile):
 * K: honours an idempotency key, so the same bytes may be sent again with the same key;
 * L: can be asked by our id whether it has the message;
 * N: neither; a lost answer needs a person, or a policy.
 */
export type ProviderClass = 'K' | 'L' | 'N';

export interface SendRequest<M extends Message = Message> {
  touch_id: string;
  /** Stable over all retries of the same bytes: `<touch id>.<n>`. */
  idempotency_key: string;
  message: M;
  /** Hard limit for the whole call, milliseconds. */
  timeout_ms: number;
}

/**
 * What became of one provider call.
 * accepted: the provider has it. `provider_id` is its own id where it gives one.
 * refused: it answered no, or the conversation provably ended before it could accept anything. `permanent` ends the
 * touch; `transient` and `throttled` retry. Wrong credentials are `transient`: they say nothing about the message.
 * ambiguous: bytes may have been accepted (time-out, reset after the final dot, 502, 504, unreadable 2xx).
 * not_started: provably no byte of the message left this process (no connection, budget passed before the call).
 * A server that is down answers so every time: whoever hands such a touch back also waits before the next try.
 */
export type SendOutcome =
  | { kind: 'accepted'; provider_id?: string; response?: string }
  | {
      kind: 'refused';
      permanence: 'permanent' | 'transient' | 'throttled';
      reason: RefusalReason;
      response?: string;
      retry_after_ms?: number;
    }
  | { kind: 'ambiguous'; reason: string; response?: string }
  | { kind: 'not_started'; reason: string };

/**
 * Why a provider said no, in our words. `mailbox_unknown` and `address_rejected` are hard bounces: nothing is sent to
 * that address any more. `not_reachable` is less: this channel cannot reach it (a landline, a number without WhatsApp).
 * `opted_out`: the provider knows that the recipient wants nothing from this sender (Twilio 21610, WhatsApp 131050).
 * `reply_window_closed`: free text more than 24 hours after the recipient's last message (WhatsApp 131047).
 * `template_paused`: the provider has taken back its approval of the template, for a time or for good (WhatsApp 132015, 132016).
 * `destination_forbidden`: the address is one that this installation does not let anybody reach.
 */
export type RefusalReason =
  | 'mailbox_unknown'
  | 'address_rejected'
  | 'not_reachable'
  | 'opted_out'
  | 'reply_window_closed'
  | 'template_paused'
  | 'destination_forbidden'
  | 'content_rejected'
  | 'sender_rejected'
  | 'mailbox_full'
  | 'greylisted'
  | 'throttled'
  | 'bad_credentials'
  | 'policy'
  | 'unavailable'
  | 'other';

/** What a class K or L provider says when asked for a touch. `pending` and errors prove nothing. */
export type LookupOutcome =
  | { kind: 'found'; provider_id?: string; at?: Date }
  | { kind: 'not_found' }
  | { kind: 'unclear'; reason: string };

export interface VerifyOutcome {
  ok: boolean;
  /** One line a person can act on. */
  detail: string;
  /** Each check made, in order. */
  checks: { name: string; ok: boolean; detail: string }[];
}

/** The shortest life of a key found in any provider's documentation is 15 minutes (docs of Brevo); less is believed. */
export const DEFAULT_KEY_LIFE_MS = 10 * 60_000;

/** One live connection to a provider account (one per sender and configuration version). */
export interface Connection<M extends Message = Message> {
  readonly provider_class: ProviderClass;
  /** Class K: how long the provider remembers a key, milliseconds. Absent: DEFAULT_KEY_LIFE_MS is believed. */
  readonly key_life_ms?: number;
  /** How many calls may be started at once now: free connections, the account's own rate. */
  capacity(): number;
  send(request: SendRequest<M>): Promise<SendOutcome>;
  /** Present for class L (and K where the provider can be asked). */
  lookup?(request: {
    touch_id: string;
    idempotency_key: string;
    message_id?: string;
    timeout_ms: number;
  }): Promise<LookupOutcome>;
  close(): Promise<void>;
}

/** What an installation lets its connections reach. */
export interface Network {
  /** `address`: what the URL's host resolved to. In words why it may not be connected to, or null. */
  refuses(url: URL, address: string): string | null;
  /** Why no address that the host could resolve to may be connected to, as far as that is known beforehand; or null. */
  refusesBySight?(url: URL): string | null;
}

export interface VerifyOptions {
  timeout_ms: number;
  /** The sender's own address. */
  from: string;
  network?: Network | undefined;
}

/** An approved text of the provider, as it keeps it: what a step may name. */
export interface ProviderTemplate {
  name: string;
  language: string;
  /** In the provider's words: `APPROVED`, `PENDING`, `REJECTED`, `PAUSED` … */
  status: string;
  category: string | null;
  parameter_format: 'positional' | 'named';
  /** Header, body, footer and buttons, as the provider writes them. */
  components: Record<string, unknown>[];
}

export type TemplatesOutcome =
  | { ok: true; templates: ProviderTemplate[] }
  /** One line a person can act on. */
  | { ok: false; detail: string };

/** `M`: what it takes. The dispatcher gives it messages of its own channel alone. */
export interface Adapter<M extends Message = Message> {
  readonly channel: SenderChannel;
  /** Its name in `senders.provider`, unlike any other's. */
  readonly provider: string;
  readonly provider_class: ProviderClass;
  /** Validates a sender's `config`; throws ZodError-like through `parse`. `secret_fields` are stored encrypted. */
  readonly config: { parse(input: unknown): Record<string, unknown> };
  readonly secret_fields: readonly string[];
  /** Without `network` it may reach whatever there is: for who names the provider in the program itself. */
  connect(config: Record<string, unknown>, network?: Network): Connection<M>;
  /** Sends nothing. */
  verify(config: Record<string, unknown>, options: VerifyOptions): Promise<VerifyOutcome>;
  /** Present where the provider keeps templates that it has to approve: all of them. */
  templates?(
    config: Record<string, unknown>,
    options: Omit<VerifyOptions, 'from'>,
  ): Promise<TemplatesOutcome>;
  /** Present where the provider tells what became of a message by calling us. */
  readonly webhook?: Webhook;
}

/** A provider's call to us, as it came: a signature is over these very bytes. */
export interface WebhookRequest {
  /** Names in lower case. */
  headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The address as the provider called it, query and all: some sign it, and it may carry what we put there. */
  url?: string;
  body: Buffer;
}

export interface WebhookTrust {
  /** What the receiving connection keeps; any one of them may fit, so that they can be rotated. */
  secrets: readonly string[];
  /** Unix milliseconds. A signed call older than `tolerance_ms` (five minutes when absent) is refused as a replay. */
  now: number;
  tolerance_ms?: number;
  /** By URL, in PEM: those asked for by an outcome `certificate`. */
  certificates?: ReadonlyMap<string, string>;
}

/** Pure: verifies the call and says what it tells. Never throws for what a provider, or somebody else, wrote. */
export interface Webhook {
  /** What a secret is here, for whoever sets the receiving connection up. */
  readonly secret: string;
  receive(request: WebhookRequest, trust: WebhookTrust): WebhookOutcome;
  /**
   * Present where the provider tries an address with GET before it calls it. `config`: the whole one of the sender. Out:
   * what to answer; null: whoever asks does not know what the provider was told.
   */
  challenge?(query: URLSearchParams, config: Record<string, unknown>): string | null;
}

/**
 * events: verified; `ignored` counts what it also told and nobody here needs (queued, delayed).
 * confirm: verified; the subscription begins when somebody gets `url`.
 * certificate: cannot be verified without the certificate at `url`, an address of the provider; ask again with it.
 * refused: not from the provider, too old, or not what it documents. Nothing in it may be believed.
 */
export type WebhookOutcome =
  | { kind: 'events'; events: WebhookEvent[]; ignored: number }
  | { kind: 'confirm'; url: string }
  | { kind: 'certificate'; url: string }
  | { kind: 'refused'; reason: 'no_secret' | 'bad_signature' | 'too_old' | 'unreadable'; detail: string };

export interface WebhookOrigin {
  /** The same at each delivery of one event: the provider's, or drawn from its content where it gives none. */
  event_id: string;
  at: Date;
  /** As `accepted` gave it. */
  provider_id?: string;
  /** Our own, where the provider gives back what was sent along. */
  touch_id?: string;
  idempotency_key?: string;
  recipient?: string;
  /** What the provider took for the message: a decimal text, ISO 4217. */
  cost?: { amount: string; currency: string };
}

export type WebhookFact =
  | { type: 'delivered' }
  /** hard: this address cannot be reached, or may not be written to. soft: this message did not arrive. */
  | { type: 'bounced'; permanence: 'hard' | 'soft' }
  | { type: 'complained' }
  /** `machine`: the provider itself says that no person did it. */
  | { type: 'opened'; machine?: true }
  | { type: 'clicked'; url?: string }
  | { type: 'unsubscribed' }
  /** `recipient` has written, to whoever wrote to them. */
  | { type: 'message_received'; text?: string };

/** `detail`: what the provider or the recipient's server said. */
export type WebhookEvent = WebhookOrigin & WebhookFact & { detail?: string };
