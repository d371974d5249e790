/** What a value of a message can be on the fast path: absent and blank are null. */
export type Scalar = string | number | boolean | null;

export function isNothing(value: Scalar | undefined): value is null | undefined {
  return value === null || value === undefined;
}

/** Most texts begin with a visible character; only when one does not is the rest looked at. */
export function isBlankText(text: string): boolean {
  if (text.length === 0) return true;
  const first = text.charCodeAt(0);
  return (first <= 32 || first > 126) && text.trim() === '';
}
