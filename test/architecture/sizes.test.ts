import { afterEach, describe, expect, it } from 'vitest';
import { type Planted, plant } from '../support/planted.ts';

function lines(count: number): string {
  return 'export const x = 1;\n'.repeat(count);
}

/** A function declaration of `count` lines in all. */
function functionOf(count: number): string {
  return `export function big() {\n${'  void 0;\n'.repeat(count - 2)}}\n`;
}

describe('the check of sizes', () => {
  let project: Planted;
  afterEach(() => project.remove());

  it('refuses a file over 400 lines and a function over 70, and nothing at the limit', () => {
    project = plant({
      'src/kernel/long.ts': lines(401),
      'src/kernel/at-limit.ts': lines(400),
      'src/db/long.sql': '-- x\n'.repeat(401),
      'src/kernel/long-function.ts': functionOf(71),
      'src/kernel/function-at-limit.ts': functionOf(70),
      'src/kernel/long-arrow.ts': `export const arrow = () => {\n${'  void 0;\n'.repeat(70)}};\n`,
      'src/kernel/long.test.ts': lines(500) + functionOf(90),
    });
    expect(project.run('sizes')).toEqual({
      status: 1,
      lines: [
        'src/db/long.sql has 401 lines; the limit is 400',
        'src/kernel/long-arrow.ts:1 arrow has 72 lines; the limit is 70',
        'src/kernel/long-function.ts:1 big has 71 lines; the limit is 70',
        'src/kernel/long.ts has 401 lines; the limit is 400',
        'sizes: 6 files, 4 findings',
      ],
    });
  });

  it('excuses what the list names, and refuses an excuse that nothing needs', () => {
    const list = [
      { file: 'src/kernel/long.ts', reason: 'a table' },
      { file: 'src/kernel/long-function.ts', function: 'big', reason: 'a list of steps' },
      { file: 'src/kernel/short.ts', reason: 'was long once' },
    ];
    project = plant({
      'src/kernel/long.ts': lines(401),
      'src/kernel/long-function.ts': functionOf(71),
      'src/kernel/short.ts': lines(1),
      'scripts/check/sizes-allowed.mjs': `export const LONG = ${JSON.stringify(list)};\n`,
    });
    expect(project.run('sizes')).toEqual({
      status: 1,
      lines: [
        'src/kernel/short.ts the file is no longer long: take it off the list',
        'sizes: 3 files, 1 findings',
      ],
    });
  });
});
