/**
 * Where each recorded message lies and what it can be found by. Twenty-four bytes a message in typed arrays, the
 * line itself stays on disk: a million messages cost 24 MB. Hashes only narrow a search down; whoever asks
 * compares the line it points to.
 */
const INDEXED = ['message_id', 'touch_id', 'idempotency_key', 'to'] as const;
export type IndexedField = (typeof INDEXED)[number];

/** Matches any value: for a message with several recipients, whose line has to be read. */
const ANY = 0;
const FIRST_CAPACITY = 1_024;

/** FNV-1a over the lower-cased text, never 0. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const char of text.toLowerCase()) {
    value = Math.imul(value ^ char.codePointAt(0)!, 0x01000193);
  }
  return value >>> 0 || 1;
}

export class RecordIndex {
  #length = 0;
  /** Where the line begins in the journal; one more than there are lines, so that each has an end. */
  #offsets = new Float64Array(FIRST_CAPACITY + 1);
  #hashes = Object.fromEntries(INDEXED.map((field) => [field, new Uint32Array(FIRST_CAPACITY)])) as Record<
    IndexedField,
    Uint32Array
  >;

  get length(): number {
    return this.#length;
  }

  /** The journal's end. */
  get end(): number {
    return this.#offsets[this.#length]!;
  }

  add(
    keys: { message_id: string; touch_id: string; idempotency_key: string; to: readonly string[] },
    bytes: number,
  ): void {
    if (this.#length === this.#hashes.to.length) this.#grow();
    const at = this.#length;
    this.#hashes.message_id[at] = hash(keys.message_id);
    this.#hashes.touch_id[at] = hash(keys.touch_id);
    this.#hashes.idempotency_key[at] = hash(keys.idempotency_key);
    this.#hashes.to[at] = keys.to.length === 1 ? hash(keys.to[0]!) : ANY;
    this.#offsets[at + 1] = this.#offsets[at]! + bytes;
    this.#length += 1;
  }

  /** Begin and end of the line of message `seq`. */
  extent(seq: number): { from: number; to: number } | null {
    if (seq < 1 || seq > this.#length) return null;
    return { from: this.#offsets[seq - 1]!, to: this.#offsets[seq]! };
  }

  /** Numbers of the messages that may match all of `wanted`, after `after`, ascending (or descending before `before`). */
  *candidates(
    wanted: Partial<Record<IndexedField, string>>,
    range: { after: number; newest_first: boolean },
  ): Generator<number> {
    const tests = INDEXED.flatMap((field) => {
      const value = wanted[field];
      return value === undefined ? [] : [{ column: this.#hashes[field], value: hash(value) }];
    });
    const last = this.#length;
    for (let step = 0; step < last - range.after; step += 1) {
      const at = range.newest_first ? last - 1 - step : range.after + step;
      if (tests.every(({ column, value }) => column[at] === value || column[at] === ANY)) yield at + 1;
    }
  }

  #grow(): void {
    const capacity = this.#length * 2;
    const offsets = new Float64Array(capacity + 1);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    for (const field of INDEXED) {
      const column = new Uint32Array(capacity);
      column.set(this.#hashes[field]);
      this.#hashes[field] = column;
    }
  }
}
