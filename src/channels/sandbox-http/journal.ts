/**
 * The provider's record: append-only, one JSON object a line, on the disk before anything is answered. Lines that
 * come while the disk is busy share the next flush.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';

export interface Moment {
  /** Monotonic over all processes of one machine, nanoseconds as text: it passes 2^53. */
  mono: string;
  /** RFC 3339. */
  wall: string;
}

export function moment(): Moment {
  return { mono: process.hrtime.bigint().toString(), wall: new Date().toISOString() };
}

export type JournalEvent =
  | 'begun'
  | 'accepted'
  | 'duplicate'
  | 'answered'
  | 'looked_up'
  | 'opted_out'
  | 'broken';

export interface JournalLine extends Partial<Moment> {
  event: JournalEvent;
  /** Which call of this process; lines of one call share it. */
  call: number;
  [field: string]: unknown;
}

export class Journal {
  readonly path: string;
  readonly #file: FileHandle;
  #lines: string[] = [];
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  #flushing = false;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async open(dir: string): Promise<Journal> {
    await mkdir(dir, { recursive: true });
    const path = join(dir, 'journal.jsonl');
    return new Journal(path, await open(path, 'a'));
  }

  /** Resolves when the line is on the disk. Without times of its own it gets those of now. */
  record(line: JournalLine): Promise<void> {
    this.#lines.push(`${JSON.stringify(line.mono === undefined ? { ...moment(), ...line } : line)}\n`);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#flushing) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    while (this.#lines.length > 0) {
      const lines = this.#lines.splice(0).join('');
      const waiting = this.#waiting.splice(0);
      try {
        await this.#file.appendFile(lines);
        await this.#file.datasync();
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        for (const { reject } of waiting) reject(error);
      }
    }
    this.#flushing = false;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
