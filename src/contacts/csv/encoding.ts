/**
 * Which encoding a file is in. In: its bytes as they arrive. A file without a byte order mark is UTF-8 when all of
 * it is valid UTF-8, UTF-16 when every other byte of its beginning is zero, else Windows-1252 (what Excel writes).
 */
export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

export interface Detected {
  encoding: Encoding;
  /** Bytes of the byte order mark, to be skipped. */
  bom: number;
}

/** Bytes whose pattern of zeros tells UTF-16 without a mark. */
const SAMPLE = 4_096;

/** The encoding that a byte order mark or zeros at the beginning say, or null. */
export function encodingOfStart(bytes: Buffer): Detected | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: 'utf-8', bom: 3 };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: 'utf-16le', bom: 2 };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: 'utf-16be', bom: 2 };
  const sample = bytes.subarray(0, SAMPLE);
  let even = 0;
  let odd = 0;
  for (let i = 0; i < sample.length; i++) {
    if (sample[i] !== 0) continue;
    if (i % 2 === 0) even += 1;
    else odd += 1;
  }
  const half = sample.length / 2;
  if (odd > half * 0.4 && even < half * 0.05) return { encoding: 'utf-16le', bom: 0 };
  if (even > half * 0.4 && odd < half * 0.05) return { encoding: 'utf-16be', bom: 0 };
  return null;
}

/** Fed with a whole file, says whether it is valid UTF-8; holds at most three bytes. */
export class Utf8Check {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #valid = true;

  add(bytes: Uint8Array): void {
    if (!this.#valid) return;
    try {
      this.#decoder.decode(bytes, { stream: true });
    } catch {
      this.#valid = false;
    }
  }

  /** To be asked once, after the last byte. */
  end(): boolean {
    try {
      if (this.#valid) this.#decoder.decode();
    } catch {
      this.#valid = false;
    }
    return this.#valid;
  }
}

/** Bytes that `text`, as decoded from this encoding, had in the file. Exact: the file was checked before. */
export function bytesOf(text: string, encoding: Encoding): number {
  if (encoding === 'utf-8') return Buffer.byteLength(text);
  return encoding === 'windows-1252' ? text.length : text.length * 2;
}

const SIGNATURES = ['504b0304', '1f8b', '25504446', 'd0cf11e0', '89504e47', '377abcaf', 'ffd8ff'];
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is counted
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f]/g;

/** A known binary format (xlsx, zip, PDF …), or text with more control characters than any list has. */
export function looksBinary(bytes: Buffer, text: string): boolean {
  const start = bytes.subarray(0, 4).toString('hex');
  if (SIGNATURES.some((signature) => start.startsWith(signature))) return true;
  return (text.match(CONTROLS)?.length ?? 0) > text.length * 0.05;
}
