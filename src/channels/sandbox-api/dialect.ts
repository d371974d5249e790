/**
 * What a dialect is: how one provider's API reads a request, and words what it says. The program around it keeps the
 * messages and plays the faults. Written from the providers' documentation and apart from the adapters, so that an
 * adapter's mistake is not made twice.
 */
import type { Account } from './account.ts';
import type { Accepted, ProviderName, Submission } from './message.ts';

export interface Incoming {
  method: string;
  /** Below the provider's prefix. */
  path: string;
  /** As the caller wrote it, with prefix and query: what a signature covers. */
  target: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string | undefined>>;
  body: string;
  now: number;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** An object goes out as JSON. */
  body: unknown;
}

export type Understood = { kind: 'send'; submission: Submission } | { kind: 'answer'; reply: Reply };

/** What a provider may have against a message that is well formed. */
export const REFUSALS = ['address', 'content', 'sender', 'unauthorized', 'throttle', 'unavailable'] as const;
export type Refusal = (typeof REFUSALS)[number];

export const EVENTS = [
  'delivered',
  'bounced_hard',
  'bounced_soft',
  'complained',
  'opened',
  'clicked',
  'unsubscribed',
  'queued',
] as const;
export type EventName = (typeof EVENTS)[number];
/** And of those over which people write back. */
export const TOLD = [...EVENTS, 'received'] as const;
export type Told = (typeof TOLD)[number];

/** A webhook call as the provider would make it. */
export interface Signal {
  headers: Record<string, string>;
  body: string;
  /** Where the message itself says to call; else nobody but the account knows. */
  url?: string;
}

export interface Dialect {
  readonly provider: ProviderName;
  /** What it can tell; absent: what every provider of e-mail does. */
  readonly events?: readonly Told[];
  /** An id as this provider gives them out; absent: a UUID. */
  newId?(): string;
  /** The `config` of a sender that uses this account; `base` is the program's own address. */
  config(account: Account, base: string): Record<string, unknown>;
  /** What the receiving side keeps to trust this account's webhooks. */
  webhookSecret(account: Account): string;
  understand(incoming: Incoming, account: Account): Understood;
  accepted(message: Accepted): Reply;
  /** The same key again; `same`: with the same bytes. */
  repeated(message: Accepted, same: boolean): Reply;
  refused(why: Refusal, submission: Submission, retry_after_s: number): Reply;
  /** `url`: where it is called, which some sign; absent: where the message says. */
  signal(message: Accepted, event: Told, account: Account, now: number, url?: string): Signal;
}

/** Throws for what is no single mailbox: the true API refuses it too. */
export function parseMailbox(written: unknown): { name: string | null; address: string } | null {
  if (typeof written !== 'string') return null;
  const angled = /^\s*(?:"((?:[^"\\]|\\.)*)"|([^<>"@,;:]*?))\s*<([^<>]+)>\s*$/.exec(written);
  const address = (angled ? angled[3]! : written).trim();
  if (!/^[^\s@<>,;:"]+@[^\s@<>,;:"]+\.[^\s@<>,;:"]+$/.test(address) || /[^ -~]/.test(address)) return null;
  const name = angled?.[1]?.replace(/\\(.)/g, '$1') ?? angled?.[2] ?? null;
  return { name, address };
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

/** Header names and values that no API takes; the first, in words. */
export function headerFlaw(headers: Record<string, string>, forbidden: readonly string[]): string | null {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[A-Za-z0-9-]+$/.test(name)) return `Header name ${JSON.stringify(name)} is invalid`;
    if (/[\r\n]/.test(value)) return `Header ${name} holds a line break`;
    if (forbidden.includes(name.toLowerCase())) return `Header ${name} may not be set`;
  }
  return null;
}

export function headerValue(headers: Record<string, string>, name: string): string | null {
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found?.[1] ?? null;
}

/** `<a@b>` without its brackets. */
export function bareId(value: string | null): string | null {
  return value?.replace(/^<|>$/g, '') ?? null;
}

export function answer(status: number, body: unknown, headers?: Record<string, string>): Understood {
  return { kind: 'answer', reply: { status, body, ...(headers ? { headers } : {}) } };
}

/** Undefined when the body is no JSON. */
export function json(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** What is wrong with the first thing that is wrong. */
export function firstIssue(error: { issues: { path: PropertyKey[]; message: string }[] }): {
  path: string;
  message: string;
} {
  const { path, message } = error.issues[0]!;
  return { path: path.map(String).join('.'), message };
}
