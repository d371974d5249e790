/**
 * Did a machine answer? Read from the headers of a message that came in, by RFC 3834 and by what older programs write. An
 * answering machine is no answer: it pauses nobody.
 */

/** Present, with whatever value: only answering machines write them. */
const TELLING = ['x-autoreply', 'x-auto-reply', 'x-autorespond', 'x-autoreply-from', 'x-mail-autoreply'];
/** What Exchange, Outlook and Gmail put before the subject of what they answer by themselves. */
const SUBJECT =
  /^\s*(automatic reply|auto[- ]?reply|out of (the )?office|automatische antwort|abwesenheit)\b/i;

/** `headers`: names in any case; a header that stands several times may be a list. What is no text says nothing. */
export function isAutoReply(headers: Record<string, unknown>): boolean {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value) ? value.filter((one) => typeof one === 'string').join(', ') : value;
    if (typeof text === 'string') values.set(name.trim().toLowerCase(), text.trim().toLowerCase());
  }
  const submitted = values.get('auto-submitted');
  // `no` is what a person's program says; parameters may follow the word.
  if (submitted !== undefined && submitted.split(/[;\s]/)[0] !== 'no') return true;
  if (TELLING.some((name) => values.has(name) && values.get(name) !== 'no')) return true;
  if (/\bauto[_-]reply\b/.test(values.get('precedence') ?? '')) return true;
  return SUBJECT.test(values.get('subject') ?? '');
}
