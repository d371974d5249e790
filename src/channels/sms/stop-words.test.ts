import { describe, expect, it } from 'vitest';
import { saysStop } from './stop-words.ts';

describe('[CON-8] a text that only says stop', () => {
  it.each([
    'STOP',
    'stop',
    ' Stop. ',
    'Stop!!',
    'STOP ALL',
    'Opt-out',
    'opt  out',
    'ＳＴＯＰ',
    '"unsubscribe"',
    'End',
  ])('%j says it', (text) => expect(saysStop(text)).toBe(true));
  it.each(['', 'Please stop by tomorrow', 'stopped', 'the end', 'do not cancel', 'START', 'HELP', '🛑'])(
    '%j does not',
    (text) => expect(saysStop(text)).toBe(false),
  );
});
