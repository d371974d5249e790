/** Header values of an e-mail. In: what was composed. Out: single lines, ready for any transport. */

/** Line breaks and other control characters end a header early; they become one space. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to take out
const CONTROL = /[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same, to look before replacing
const HAS_CONTROL = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/;

export function oneLine(text: string): string {
  return (HAS_CONTROL.test(text) ? text.replace(CONTROL, ' ') : text).trim();
}

const REPLY_PREFIX = /^re\s*:/i;

/** The subject of a follow-up in the thread of a message with subject `first`. */
export function followUpSubject(first: string): string {
  const subject = oneLine(first);
  return REPLY_PREFIX.test(subject) ? subject : `Re: ${subject}`;
}

export interface EmailHeaderInput {
  /** `https://…/u/TOKEN`; POST to it unsubscribes without a login (RFC 8058). */
  unsubscribe_url: string;
  /** `mailto:…` (RFC 2369), where the sender reads such mail. */
  unsubscribe_mailto?: string;
  /** `campaign:customer:type:sender`, the form Gmail's feedback loop counts by. */
  feedback_id: string;
}

/**
 * The headers that bulk mail must carry. `Auto-Submitted` is left out on purpose: receivers would not answer
 * such a message, and answers are what a sequence waits for.
 */
export function emailHeaders(input: EmailHeaderInput): Record<string, string> {
  const mailto = input.unsubscribe_mailto === undefined ? '' : `, <${inAngles(input.unsubscribe_mailto)}>`;
  return {
    'List-Unsubscribe': `<${inAngles(input.unsubscribe_url)}>${mailto}`,
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    'Feedback-ID': oneLine(input.feedback_id),
  };
}

const NOT_IN_ANGLES = /[\s<>]+/g;

function inAngles(url: string): string {
  return oneLine(url).replace(NOT_IN_ANGLES, '');
}
