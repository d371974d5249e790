/** `npm run guards` takes minutes and runs apart from the tests; that its table fits the sources is told here. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GUARDS } from '../../../scripts/guards/table.mjs';

const urlOf = (file: string) => new URL(`../../../${file}`, import.meta.url);

describe('the table of guards', () => {
  it('finds each text that it takes away exactly once', () => {
    const wrong = GUARDS.flatMap(({ guard, file, edits }) =>
      edits
        .map(([find, , other]) => ({
          guard,
          find,
          times: readFileSync(urlOf(other ?? file), 'utf8').split(find).length - 1,
        }))
        .filter(({ times }) => times !== 1),
    );
    expect(wrong).toEqual([]);
  });

  it('names files that exist', () => {
    expect(GUARDS.filter(({ tests }) => !existsSync(urlOf(tests[0])))).toEqual([]);
  });
});
