import { describe, expect, test } from 'vitest';
import { type Command, UsageError } from './command.ts';
import { helpFor, helpForGroup } from './help.ts';
import { find, parse as parseRest } from './parse.ts';

const run = async () => undefined;
const TABLE: Record<string, Command> = {
  doctor: { run },
  'keys create': { options: { name: { value: 'N', about: 'x', required: true } }, run },
  'keys list': { run },
  import: { takes: ['FILE', '[OUT]'], options: { dry: { about: 'x' } }, run },
};

function parse(table: Record<string, Command>, words: string[]) {
  const found = find(Object.keys(table), words);
  if ('group' in found) throw new Error('a group');
  return { name: found.name, ...parseRest(found.name, table[found.name]!, found.rest) };
}

function refusal(...words: string[]): string {
  try {
    parse(TABLE, words);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('the command line', () => {
  test('finds commands of one and two words, with options before and after arguments', () => {
    expect(parse(TABLE, ['keys', 'create', '--name', 'a b'])).toMatchObject({
      name: 'keys create',
      options: { name: 'a b' },
    });
    expect(parse(TABLE, ['import', '--dry', 'in.csv', 'out.csv', '--json'])).toMatchObject({
      args: ['in.csv', 'out.csv'],
      options: { dry: true },
      json: true,
    });
  });

  test('help needs neither options nor arguments', () => {
    expect(parse(TABLE, ['keys', 'create', '--help']).help).toBe(true);
  });

  test.each(['--help', '-h'])(
    '[OPS-3] %s after the first word of several commands asks for all of them',
    (asked) => {
      expect(find(Object.keys(TABLE), ['keys', asked])).toEqual({ group: 'keys' });
      const listed = Object.fromEntries(
        Object.entries(TABLE).map(([name, command]) => [
          name,
          { summary: `do ${name}`, load: async () => command },
        ]),
      );
      const text = helpForGroup(listed, 'keys');
      expect(text).toMatch(/keys create +do keys create\n +keys list +do keys list/);
      expect(text).not.toContain('doctor');
      expect(helpFor(listed, 'doctor', TABLE['doctor']!)).toContain('do doctor.');
    },
  );

  test.each([
    [['doctr'], 'There is no command doctr. Did you mean doctor?'],
    [['key', 'create'], 'There is no command key create. Did you mean keys create?'],
    [['keys'], 'keys needs one more word: keys create, keys list.'],
    [['keys', 'creat'], 'There is no command keys creat. Did you mean keys create?'],
    [['keys', 'create'], 'keys create needs --name.'],
    [['keys', 'create', '--nam', 'x'], 'keys create has no option --nam. Did you mean --name?'],
    [['import'], 'import needs FILE.'],
    [['import', 'a', 'b', 'c'], 'import does not take c.'],
    [['constructor'], 'There is no command constructor.'],
  ])('%j: %s', (words, message) => {
    expect(refusal(...words)).toBe(message);
  });
});
