/**
 * The sink's record: two append-only files in one directory. `messages.raw` holds the sources one after the
 * other, `journal.jsonl` one line a message with where its source lies. A message is acknowledged only when
 * both are on disk. Appends that come while the disk is busy share the next flush: the disk decides the size of
 * the group, so a burst costs few flushes and a single message waits for none.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, type SinkEntry } from './entry.ts';
import { type IndexedField, RecordIndex } from './record-index.ts';

export const JOURNAL_FILE = 'journal.jsonl';
export const RAW_FILE = 'messages.raw';

/** One flush takes at most this much, so that a burst of large messages is not copied into one huge buffer. */
const MAX_GROUP_BYTES = 16 * 1024 * 1024;
const MAX_LIST = 1_000;

export interface ListFilter {
  to?: string | undefined;
  message_id?: string | undefined;
  touch_id?: string | undefined;
  idempotency_key?: string | undefined;
  /** Only messages with a higher number. */
  after?: number | undefined;
  /** At most this many, 100 by default, 1,000 at most. */
  limit?: number | undefined;
  newest_first?: boolean | undefined;
}

interface Waiting {
  raw: Buffer;
  about: Omit<SinkEntry, 'seq' | 'at' | 'raw'>;
  done: (entry: SinkEntry) => void;
  failed: (error: unknown) => void;
}

/** Opens the record in `dir`, making it when there is none, and drops what a crash left half-written. */
export async function openRecord(dir: string): Promise<SinkRecord> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const raw = await open(join(dir, RAW_FILE), 'a+', 0o600);
  const journal = await open(join(dir, JOURNAL_FILE), 'a+', 0o600);
  const index = new RecordIndex();
  const rawEnd = await readJournal(join(dir, JOURNAL_FILE), index, (await raw.stat()).size);
  await journal.truncate(index.end);
  await raw.truncate(rawEnd);
  return new SinkRecord(raw, journal, index, rawEnd);
}

/** Fills the index; stops at the first line that is not whole or whose source is not. Answers the sources' end. */
async function readJournal(path: string, index: RecordIndex, rawSize: number): Promise<number> {
  let rawEnd = 0;
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    const entry = parseLine(line);
    if (entry?.seq !== index.length + 1 || entry.raw.offset + entry.raw.bytes > rawSize) break;
    index.add({ ...entry, to: entry.envelope.to }, Buffer.byteLength(line) + 1);
    rawEnd = entry.raw.offset + entry.raw.bytes;
  }
  lines.close();
  return rawEnd;
}

function parseLine(line: string): SinkEntry | null {
  try {
    return JSON.parse(line) as SinkEntry;
  } catch {
    return null;
  }
}

export class SinkRecord {
  readonly #raw: FileHandle;
  readonly #journal: FileHandle;
  readonly #index: RecordIndex;
  #rawEnd: number;
  #queue: Waiting[] = [];
  #flushing: Promise<void> | null = null;

  constructor(raw: FileHandle, journal: FileHandle, index: RecordIndex, rawEnd: number) {
    this.#raw = raw;
    this.#journal = journal;
    this.#index = index;
    this.#rawEnd = rawEnd;
  }

  count(): number {
    return this.#index.length;
  }

  /** Resolves when the message is on disk. */
  async append(raw: Buffer, envelope: SinkEntry['envelope']): Promise<SinkEntry> {
    const about = await describe(raw, envelope);
    return new Promise((done, failed) => {
      this.#queue.push({ raw, about, done, failed });
      this.#flushing ??= this.#flush().finally(() => {
        this.#flushing = null;
      });
    });
  }

  async get(seq: number): Promise<SinkEntry | null> {
    const extent = this.#index.extent(seq);
    if (!extent) return null;
    const line = await readAt(this.#journal, extent.from, extent.to - extent.from);
    return JSON.parse(line.toString('utf8')) as SinkEntry;
  }

  async raw(seq: number): Promise<Buffer | null> {
    const entry = await this.get(seq);
    return entry && readAt(this.#raw, entry.raw.offset, entry.raw.bytes);
  }

  async list(filter: ListFilter = {}): Promise<SinkEntry[]> {
    const limit = Math.min(Math.max(filter.limit ?? 100, 1), MAX_LIST);
    const range = { after: Math.max(filter.after ?? 0, 0), newest_first: filter.newest_first ?? false };
    const found: SinkEntry[] = [];
    for (const seq of this.#index.candidates(wanted(filter), range)) {
      const entry = await this.get(seq);
      if (entry && matches(entry, filter)) found.push(entry);
      if (found.length === limit) break;
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#flushing;
    await Promise.all([this.#raw.close(), this.#journal.close()]);
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#nextGroup();
      try {
        await this.#write(group);
      } catch (error) {
        // The files may end in a torn write. Nothing of this group was acknowledged; start again where it began.
        await Promise.allSettled([this.#raw.truncate(this.#rawEnd), this.#journal.truncate(this.#index.end)]);
        for (const waiting of group) waiting.failed(error);
      }
    }
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    let size = 0;
    while (
      size < this.#queue.length &&
      (size === 0 || bytes + this.#queue[size]!.raw.length <= MAX_GROUP_BYTES)
    ) {
      bytes += this.#queue[size]!.raw.length;
      size += 1;
    }
    return this.#queue.splice(0, size);
  }

  async #write(group: Waiting[]): Promise<void> {
    const at = new Date().toISOString();
    let offset = this.#rawEnd;
    const entries = group.map(({ raw, about }, n): SinkEntry => {
      const entry = { seq: this.#index.length + n + 1, at, ...about, raw: { offset, bytes: raw.length } };
      offset += raw.length;
      return entry;
    });
    const lines = entries.map((entry) => Buffer.from(`${JSON.stringify(entry)}\n`));
    await Promise.all([
      appendDurably(
        this.#raw,
        group.map(({ raw }) => raw),
      ),
      appendDurably(this.#journal, lines),
    ]);
    this.#rawEnd = offset;
    for (const [n, entry] of entries.entries()) {
      this.#index.add({ ...entry, to: entry.envelope.to }, lines[n]!.length);
      group[n]!.done(entry);
    }
  }
}

async function appendDurably(file: FileHandle, parts: Buffer[]): Promise<void> {
  await file.appendFile(Buffer.concat(parts));
  await file.datasync();
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw new Error(`The sink's record is shorter than its index at ${position}.`);
  return buffer;
}

function wanted(filter: ListFilter): Partial<Record<IndexedField, string>> {
  const { to, message_id, touch_id, idempotency_key } = filter;
  return {
    ...(to === undefined ? {} : { to }),
    ...(message_id === undefined ? {} : { message_id }),
    ...(touch_id === undefined ? {} : { touch_id }),
    ...(idempotency_key === undefined ? {} : { idempotency_key }),
  };
}

function matches(entry: SinkEntry, filter: ListFilter): boolean {
  const to = filter.to?.toLowerCase();
  if (to !== undefined && !entry.envelope.to.some((address) => address.toLowerCase() === to)) return false;
  if (filter.message_id !== undefined && entry.message_id !== filter.message_id) return false;
  if (filter.touch_id !== undefined && entry.touch_id !== filter.touch_id) return false;
  return filter.idempotency_key === undefined || entry.idempotency_key === filter.idempotency_key;
}
