/**
 * Words by which somebody wants no more texts: those that the American rules name as such by themselves
 * (47 CFR 64.1200(a)(10)) and that carriers act on. Only a text that says nothing else counts; case, spaces and
 * punctuation do not.
 */
const STOP_WORDS = new Set([
  'stop',
  'stop all',
  'stopall',
  'quit',
  'end',
  'revoke',
  'opt out',
  'optout',
  'cancel',
  'unsubscribe',
]);

export function saysStop(text: string): boolean {
  const words = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  return STOP_WORDS.has(words);
}
