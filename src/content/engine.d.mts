/** Types of `engine.mjs`. */

/** `template_busy`: it was not rendered, and nothing is known of it; its template was too slow for others. */
export type RenderReason =
  | 'missing_variable'
  | 'template_error'
  | 'template_timeout'
  | 'template_busy'
  | 'output_too_large';

export interface Refusal {
  reason: RenderReason;
  detail: string;
}

declare const compiled: unique symbol;
export interface Compiled {
  [compiled]: true;
}

export function escapeHtml(text: string): string;
export function parse(source: string, html: boolean): Compiled;
export function renderParts(parts: (Compiled | null)[], scope: object): (string | null)[] | Refusal;
