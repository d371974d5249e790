/** One account at the provider: what it has accepted, and what its class remembers and tells. Values in, values out. */
import { createHash } from 'node:crypto';
import { draw, type FaultPlan } from './faults.ts';

export const CLASSES = ['K', 'L', 'N'] as const;
export type AccountClass = (typeof CLASSES)[number];

export interface Submission {
  touch_id: string | null;
  /** What the message is: `email`, `sms`, `whatsapp_template`, `whatsapp_text`. */
  kind: string | null;
  key: string | null;
  message_id: string | null;
  recipient: string | null;
  sender: string | null;
  /** The first address of List-Unsubscribe, or the link in a text, as its recipient would use it. */
  unsubscribe: string | null;
  body_hash: string;
}

export interface Accepted extends Submission {
  id: string;
  accepted_at: string;
  /** From when a look-up finds it; milliseconds. */
  visible_at: number;
}

export type Acceptance =
  | { kind: 'accepted'; message: Accepted }
  | { kind: 'duplicate'; message: Accepted }
  | { kind: 'conflict' };

export class Account {
  readonly #class: AccountClass;
  readonly #name: string;
  readonly #messages: Accepted[] = [];
  readonly #byKey = new Map<string, { message: Accepted; until: number }>();
  readonly #calls = new Map<string, number>();

  constructor(kind: AccountClass, name: string) {
    this.#class = kind;
    this.#name = name;
  }

  /** Which call under this key, or of this touch, it is, from 1. */
  count(submission: Submission): number {
    const key = submission.key ?? submission.touch_id ?? submission.body_hash;
    const nth = (this.#calls.get(key) ?? 0) + 1;
    this.#calls.set(key, nth);
    return nth;
  }

  /** What was accepted under this key before, in the key's life. */
  remembered({ key }: Submission, now: number): Accepted | null {
    const known = this.#class === 'K' && key !== null ? this.#byKey.get(key) : undefined;
    return known && known.until > now ? known.message : null;
  }

  accept(plan: FaultPlan, submission: Submission, now: number): Acceptance {
    const known = this.remembered(submission, now);
    if (known && known.body_hash !== submission.body_hash) return { kind: 'conflict' };
    if (known) return { kind: 'duplicate', message: known };
    const n = this.#messages.length + 1;
    const delay = Math.floor(plan.lookup_delay_ms * draw(plan.seed, 'visible', this.#name, n));
    const message: Accepted = {
      ...submission,
      id: `${this.#class}-${this.#name}-${n}`,
      accepted_at: new Date(now).toISOString(),
      visible_at: now + delay,
    };
    this.#messages.push(message);
    if (this.#class === 'K' && submission.key !== null)
      this.#byKey.set(submission.key, {
        message,
        until: now + (plan.key_lives[this.#name] ?? plan.key_life_ms),
      });
    return { kind: 'accepted', message };
  }

  /** Null: this class cannot be asked. */
  find(wanted: Partial<Pick<Submission, 'key' | 'touch_id' | 'message_id'>>, now: number): Accepted[] | null {
    if (this.#class !== 'L') return null;
    const fields = (['key', 'touch_id', 'message_id'] as const).filter((field) => wanted[field]);
    if (fields.length === 0) return [];
    return this.#messages.filter(
      (message) => message.visible_at <= now && fields.every((field) => message[field] === wanted[field]),
    );
  }
}

export function submissionOf(
  body: string,
  headers: { key: string | null; touch_id: string | null },
): Submission {
  const { touch_id, message } = parsed(body);
  return {
    touch_id: text(touch_id) ?? headers.touch_id,
    key: headers.key,
    message_id: text(message.message_id),
    kind: text(message.kind),
    recipient: addressOf(message.to),
    sender: addressOf(message.from),
    unsubscribe:
      /<(https?:[^>]+)>/.exec(text(message.headers?.['List-Unsubscribe']) ?? '')?.[1] ??
      /https?:\S+\/u\/[\w.-]+/.exec(text(message.text) ?? '')?.[0] ??
      null,
    body_hash: createHash('sha256').update(body).digest('base64url'),
  };
}

const text = (value: unknown) => (typeof value === 'string' ? value : null);

/** An e-mail's has a name beside it, a number stands alone. */
const addressOf = (end: Body['message']['to']) => text(typeof end === 'object' ? end?.address : end);

interface Body {
  touch_id?: unknown;
  message: {
    kind?: unknown;
    message_id?: unknown;
    text?: unknown;
    to?: { address?: unknown } | string | null;
    from?: { address?: unknown } | string | null;
    headers?: Record<string, unknown>;
  };
}

function parsed(body: string): Body {
  try {
    const value = JSON.parse(body);
    return { ...value, message: value?.message ?? {} };
  } catch {
    return { message: {} };
  }
}
