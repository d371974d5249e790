/**
 * A client of the public API that writes down, for each request, when it began, when its answer had come and what the
 * answer promised. The record is what the checker holds the system to.
 */
import { randomUUID } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { hrtime } from 'node:process';
import { type Ack, PEOPLE, type ReceiptSeen } from './checker/evidence.ts';
import { CLIENT_TIMEOUT_MS } from './limits.ts';

export interface Wanted {
  /** Label of the organization whose key is used; null: nobody's. */
  org: string;
  act: string;
  target?: Ack['target'];
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  /** Sent as a form instead of JSON. */
  form?: string;
  /** A file and its fields. */
  upload?: FormData;
  /** Repeated, under the same Idempotency-Key, until it is answered. */
  persist?: boolean;
  decision?: string;
  /** `tell`: the name of what is told. */
  event?: string;
  /** Without the key: public addresses. */
  open?: boolean;
}

export interface Answer {
  status: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
  body: any;
  receipt: ReceiptSeen | null;
}

const RETRY_MS = 150;
/** Acts that change nothing when they are done twice. */
const REPEATABLE = new Set(['pause', 'unenroll', 'unsubscribe', 'hold', 'release', 'quiet', 'wake', 'tell']);
/** A persistent request is given up after so many tries. */
const MAX_TRIES = 200;
/** And after so many answers that its first try is still under way. */
const MAX_BUSY = 5;

export class Recorder {
  readonly #file: WriteStream;
  #count = 0;
  readonly byAct = new Map<string, number>();
  readonly byStatus = new Map<string, number>();

  constructor(path: string) {
    this.#file = createWriteStream(path);
  }

  write(ack: Omit<Ack, 'n'>): void {
    this.#file.write(`${JSON.stringify({ n: ++this.#count, ...ack })}\n`);
    count(this.byAct, ack.act);
    count(this.byStatus, `${ack.act} ${ack.status ?? 'none'}`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#file.end(resolve));
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

export class Client {
  readonly #urls: readonly string[];
  readonly #keys: ReadonlyMap<string, string>;
  readonly #recorder: Recorder;
  /** Requests go to the API processes in turn, repetitions too. */
  #turn = 0;

  constructor(urls: readonly string[], keys: ReadonlyMap<string, string>, recorder: Recorder) {
    this.#urls = urls;
    this.#keys = keys;
    this.#recorder = recorder;
  }

  /** Never throws: no answer is an answer too. */
  async act(wanted: Wanted): Promise<Answer> {
    const began = hrtime.bigint();
    let key = randomUUID();
    let [tries, busy] = [0, 0];
    let answer: { status: number | null; body: Answer['body'] };
    do {
      if (tries++ > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      answer = await this.#once(wanted, key);
      if (!inProgress(answer)) continue;
      // The process that began it is gone and its key is kept for a minute. Who wants to stop something does not wait;
      // what could be done twice is given up.
      if (REPEATABLE.has(wanted.act)) key = randomUUID();
      else if (++busy >= MAX_BUSY) answer = { status: null, body: null };
    } while (wanted.persist && tries < MAX_TRIES && busy < MAX_BUSY && !answered(answer));
    const answeredAt = { ended: String(hrtime.bigint()), ended_at: Date.now() };
    const receipt = succeeded(answer.status) ? await this.#receipt(wanted.org, answer.body) : null;
    const enrolled = wanted.act === 'enroll' ? enrolledIn(answer.body) : undefined;
    this.#recorder.write({
      org: wanted.org,
      act: wanted.act,
      target: wanted.target ?? null,
      began: String(began),
      ended: String(hrtime.bigint()),
      ended_at: Date.now(),
      tries,
      status: answer.status,
      receipt,
      ...(enrolled ? { enrolled } : {}),
      ...(wanted.decision === undefined ? {} : { decision: wanted.decision }),
      ...(wanted.event === undefined ? {} : { event: wanted.event }),
      ...(wanted.act === 'tell' && succeeded(answer.status) ? { event_id: answer.body.id } : {}),
      ...doneBy(wanted.act, answer.body),
    });
    if (wanted.act === 'tell' && succeeded(answer.status))
      await this.#reactions(wanted, answer.body, { began: String(began), ...answeredAt, tries });
    return { ...answer, receipt };
  }

  /** All pages of a list. */
  async all(org: string, path: string): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    let cursor: string | null = null;
    do {
      const glue = path.includes('?') ? '&' : '?';
      const page = `${path}${glue}limit=200${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const { status, body } = await this.#once({ org, act: 'read', method: 'GET', path: page }, null);
      if (status !== 200) throw new Error(`${page} answered ${status}: ${JSON.stringify(body)}`);
      items.push(...body.items);
      cursor = body.next_cursor;
    } while (cursor !== null);
    return items;
  }

  /** What an event led to, where the answer says so: stops like any other, acknowledged when it came. */
  async #reactions(
    { org, target: about }: Wanted,
    event: Answer['body'],
    times: Pick<Ack, 'began' | 'ended' | 'ended_at' | 'tries'>,
  ): Promise<void> {
    for (const { reaction, result, receipt_id, enrollment_id } of event.reactions) {
      const out = reaction === 'unsubscribe' && about;
      if (result !== 'done' || receipt_id === null || !(out || enrollment_id)) continue;
      const path = `/api/receipts/${receipt_id}`;
      let heard: Heard;
      let tries = 0;
      do {
        if (tries++ > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        heard = await this.#once({ org, act: 'read', method: 'GET', path }, null);
      } while (tries < MAX_TRIES && !answered(heard));
      const receipt = succeeded(heard.status) ? await this.#receipt(org, heard.body) : null;
      const target = out || { class: 'enrollment' as const, id: enrollment_id };
      const act = out ? 'unsubscribe' : 'react';
      this.#recorder.write({ org, act, target, ...times, status: heard.status, receipt });
    }
  }

  async #once(wanted: Wanted, key: string | null): Promise<{ status: number | null; body: Answer['body'] }> {
    const text = wanted.form ?? (wanted.body === undefined ? undefined : JSON.stringify(wanted.body));
    const type = wanted.form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
    try {
      const url = this.#urls[this.#turn++ % this.#urls.length]!;
      const response = await fetch(wanted.path.startsWith('http') ? wanted.path : url + wanted.path, {
        method: wanted.method,
        headers: {
          ...(wanted.open ? {} : { authorization: `Bearer ${this.#keys.get(wanted.org)}` }),
          ...(text === undefined ? {} : { 'content-type': type }),
          ...(key === null || wanted.method === 'GET' || wanted.open ? {} : { 'idempotency-key': key }),
        },
        ...(text === undefined ? {} : { body: text }),
        ...(wanted.upload === undefined ? {} : { body: wanted.upload }),
        signal: AbortSignal.timeout(CLIENT_TIMEOUT_MS),
      });
      const answer = await response.text();
      return { status: response.status, body: parsed(answer) };
    } catch (error) {
      return { status: null, body: { error: String(error) } };
    }
  }

  /** The receipt of an answer with all its pages, as far as they can be got. */
  async #receipt(org: string, body: Answer['body']): Promise<ReceiptSeen | null> {
    const seen = body?.receipt ?? body;
    if (!Array.isArray(seen?.in_flight)) return null;
    const in_flight = seen.in_flight.map(({ touch }: { touch: string }) => touch);
    let next = seen.next_offset;
    while (next !== null && next !== undefined) {
      const path = `/api/receipts/${seen.id}?offset=${next}`;
      const { status, body: more } = await this.#once({ org, act: 'read', method: 'GET', path }, null);
      if (status !== 200) return null;
      in_flight.push(...more.in_flight.map(({ touch }: { touch: string }) => touch));
      next = more.next_offset;
    }
    const { id, epoch, drained } = seen;
    return { id, epoch, effective_at: Date.parse(seen.effective_at), in_flight, drained };
  }
}

function succeeded(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300;
}

type Heard = { status: number | null; body: Answer['body'] };

function inProgress({ status, body }: Heard): boolean {
  return status === 409 && body?.code === 'idempotency_in_progress';
}

function answered(heard: Heard): boolean {
  return heard.status !== null && heard.status < 500 && !inProgress(heard);
}

function parsed(text: string): Answer['body'] {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What an answer to a person says of the step. */
function doneBy(act: string, body: Answer['body']): Pick<Ack, 'result' | 'repeated' | 'reason'> {
  if (!(PEOPLE as readonly string[]).includes(act)) return {};
  return {
    ...(typeof body?.result === 'string' ? { result: body.result } : {}),
    ...(typeof body?.repeated === 'boolean' ? { repeated: body.repeated } : {}),
    ...(body?.code === 'step_refused' ? { reason: body.reason } : {}),
  };
}

function enrolledIn(body: Answer['body']): string[] {
  const results: { enrollment_id?: string; result?: string }[] = body?.results ?? body?.items ?? [body];
  return results.flatMap((result) =>
    result?.enrollment_id && (result.result ?? 'enrolled') === 'enrolled' ? [result.enrollment_id] : [],
  );
}
