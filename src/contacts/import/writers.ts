/**
 * Two batches on their way at once, committed in the order of the file: PostgreSQL spends most of a batch on the
 * indexes of `contacts`, on one core a connection. A batch that has an address or id in common with one on its way
 * waits for it: the earlier row of the file wins, and the later transaction would wait for the earlier for ever.
 */
import type { PreparedBatch } from './batch.ts';
import type { ImportCounts } from './import.ts';
import type { Identity } from './row.ts';

/** More gain nothing on two cores, and leave less of the server to everybody else. */
const WRITERS = 2;

type Outcome = Promise<ImportCounts | null>;

interface OnItsWay {
  values: Set<string>;
  done: Outcome;
}

export class Writers {
  readonly #write: (batch: PreparedBatch, turn: Outcome) => Outcome;
  readonly #told: { onProgress?: (at: { next_byte: number; counts: ImportCounts }) => void };
  readonly #identity: Identity;
  #counts: ImportCounts | null;
  #last: Outcome;
  #under: OnItsWay[] = [];

  constructor(
    counts: ImportCounts,
    identity: Identity,
    write: (batch: PreparedBatch, turn: Outcome) => Outcome,
    told: { onProgress?: (at: { next_byte: number; counts: ImportCounts }) => void },
  ) {
    this.#counts = counts;
    this.#identity = identity;
    this.#last = Promise.resolve(counts);
    this.#write = write;
    this.#told = told;
  }

  /** Sets a batch on its way as soon as there is room. Out: the counts committed so far, or null when it is over. */
  async add(batch: PreparedBatch): Outcome {
    const values = uniqueValues(batch, this.#identity);
    while (this.#under.length >= WRITERS) await this.#first();
    while (this.#under.some((other) => overlap(values, other.values))) await this.#first();
    if (this.#counts === null) return null;
    const done = this.#write(batch, this.#last).then((counts) => {
      if (counts !== null) this.#told.onProgress?.({ next_byte: batch.next_byte, counts });
      return counts;
    });
    // Waited for later; until then a failure is not an unhandled one.
    done.catch(() => undefined);
    this.#last = done;
    this.#under.push({ values, done });
    return this.#counts;
  }

  /** Waits for all. */
  async end(): Outcome {
    while (this.#under.length > 0) await this.#first();
    return this.#counts;
  }

  /** Lets go of all, whatever became of them. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#under.map(({ done }) => done));
  }

  async #first(): Promise<void> {
    const first = this.#under.shift();
    if (first !== undefined) this.#counts = await first.done;
  }
}

function overlap(a: Set<string>, b: Set<string>): boolean {
  for (const value of a) if (b.has(value)) return true;
  return false;
}

/** What no two contacts may share, and what tells them apart in this import. */
function uniqueValues(batch: PreparedBatch, identity: Identity): Set<string> {
  const values = new Set<string>();
  for (const { contact } of batch.rows) {
    if (contact === null) continue;
    if (contact.email !== undefined) values.add(contact.email);
    if (contact.external_id !== undefined) values.add(`id ${contact.external_id}`);
    if (identity === 'phone') values.add(contact.phone!);
  }
  return values;
}
