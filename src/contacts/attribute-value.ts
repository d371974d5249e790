/** Custom attributes have a type; this reads a value as one. */
import { cleanText } from './clean-text.ts';

export const ATTRIBUTE_TYPES = ['text', 'number', 'boolean', 'date'] as const;
export type AttributeType = (typeof ATTRIBUTE_TYPES)[number];
export type AttributeValue = string | number | boolean;

export const MAX_TEXT_ATTRIBUTE = 10_000;

const TRUE = new Set(['true', 'yes', 'y', '1', 't']);
const FALSE = new Set(['false', 'no', 'n', '0', 'f']);

/** The value in its type, or null when it cannot be read as one. Text is what files and forms give. */
export function readAttribute(type: AttributeType, value: string | number | boolean): AttributeValue | null {
  if (type === 'text') return typeof value === 'string' ? shortText(value) : String(value);
  if (typeof value === 'string') return fromText(type, cleanText(value));
  return typeof value === type ? finite(value) : null;
}

function fromText(type: 'number' | 'boolean' | 'date', text: string): AttributeValue | null {
  if (type === 'date') return readDate(text);
  if (type === 'boolean') {
    const word = text.toLowerCase();
    return TRUE.has(word) ? true : FALSE.has(word) ? false : null;
  }
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? finite(Number(text)) : null;
}

function finite(value: number | boolean): number | boolean | null {
  return typeof value === 'boolean' || Number.isFinite(value) ? value : null;
}

function shortText(text: string): string | null {
  const clean = cleanText(text);
  return clean.length <= MAX_TEXT_ATTRIBUTE ? clean : null;
}

/** A calendar day, `2026-03-09`, or the day a timestamp begins with. Nothing that depends on a country's habit. */
function readDate(text: string): string | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?$/.exec(text);
  if (match === null) return null;
  const [, year, month, day] = match.map(Number) as [number, number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? text.slice(0, 10) : null;
}
