import { expect, it } from 'vitest';
import { Expectation } from './expectation.ts';

it('[CON-1] an import of new people never looks for them', () => {
  const expectation = new Expectation();
  for (let n = 0; n < 100; n++) {
    expect(expectation.newOnly).toBe(true);
    expectation.wrote(false);
  }
});

/** Batches that were undone, of `batches`, when every `nth` of them meets somebody. */
function undone(batches: number, nth: number): number {
  const expectation = new Expectation();
  let wrong = 0;
  for (let n = 0; n < batches; n++) {
    const meets = n % nth === nth - 1;
    if (expectation.newOnly && meets) {
      wrong += 1;
      expectation.wasWrong();
    }
    expectation.wrote(meets);
  }
  return wrong;
}

it('[CON-1] an import that meets people in every batch is wrong about it once', () => {
  expect(undone(1_000, 1)).toBe(1);
});

it('[CON-1] an import that meets people now and then undoes ever fewer batches', () => {
  for (const nth of [2, 3, 5, 6, 10, 40]) expect(undone(1_000, nth)).toBeLessThanOrEqual(8);
});

it('[CON-1] hope comes back after batches that met nobody', () => {
  const expectation = new Expectation();
  expectation.wasWrong();
  for (let n = 0; n < 4; n++) {
    expect(expectation.newOnly).toBe(false);
    expectation.wrote(false);
  }
  expect(expectation.newOnly).toBe(true);
});
