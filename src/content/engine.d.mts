/** Types of `engine.mjs`. */

export type RenderReason = 'missing_variable' | 'template_error' | 'template_timeout' | 'output_too_large';

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
