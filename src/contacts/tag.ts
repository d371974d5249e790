/** Tags: short words on contacts. Case counts; blanks inside are one space. */
import { cleanText } from './clean-text.ts';

export const MAX_TAG_LENGTH = 100;
/** Tags of one contact, and of one request. */
export const MAX_TAGS = 100;

export function normalizeTag(text: string): string | null {
  const tag = cleanText(text).replace(/\s+/g, ' ');
  return tag === '' || tag.length > MAX_TAG_LENGTH ? null : tag;
}
