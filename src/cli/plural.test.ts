import { expect, test } from 'vitest';
import { counted } from './plural.ts';

test('[OPS-3] one is said as one', () => {
  expect([counted(1, 'row'), counted(0, 'row'), counted(2, 'row'), counted(2, 'entry', 'entries')]).toEqual([
    '1 row',
    '0 rows',
    '2 rows',
    '2 entries',
  ]);
});
