/** Types of `liquid.mjs`. */

export const MAX_SOURCE_CHARS: number;
export const MAX_OUTPUT_CHARS: number;
export const MAX_DEPTH: number;
export const MAX_PIECES: number;
export const TAGS: readonly string[];
export const FILTERS: readonly string[];

export function scanTags(source: string): {
  tags: { name: string; line: number; known: boolean; begin: number; end: number }[];
  deepest: number;
  /** Texts, outputs and tags at the top level of the source. */
  pieces: number;
};
export function withoutUnknownTags(source: string): string;
export function splitSource(
  source: string,
): { kind: 'text' | 'output' | 'tag'; name: string; source: string }[];
export function errorLine(error: unknown): number;
export function errorMessage(error: unknown): string;
