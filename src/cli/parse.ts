/** From the words of the command line to a command and its options, or what is wrong with them. */
import { parseArgs } from 'node:util';
import { type Command, UsageError } from './command.ts';

export interface Parsed {
  options: Record<string, string | boolean | undefined>;
  args: string[];
  help: boolean;
  json: boolean;
}

/** A command and the words after its name, or the first word of several commands with a call for help. */
export type Found = { name: string; rest: string[] } | { group: string };

const COMMON = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;

/** Single edits between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

function suggestion(word: string, known: readonly string[]): string {
  const near = known
    .map((one) => ({ one, d: one.startsWith(word) ? 1 : distance(word, one) }))
    .filter(({ one, d }) => d <= Math.max(2, Math.floor(one.length / 3)))
    .sort((a, b) => a.d - b.d)[0];
  return near ? ` Did you mean ${near.one}?` : '';
}

const HELP = new Set(['--help', '-h']);

/** Commands have one or two words. `names`: all there are. @throws UsageError */
export function find(names: readonly string[], words: readonly string[]): Found {
  const two = words.slice(0, 2).join(' ');
  if (words.length > 1 && names.includes(two)) return { name: two, rest: words.slice(2) };
  const one = words[0] ?? '';
  if (names.includes(one)) return { name: one, rest: words.slice(1) };
  const family = names.filter((name) => name.startsWith(`${one} `));
  if (family.length > 0 && HELP.has(words[1] ?? '')) return { group: one };
  if (family.length > 0 && words.length === 1)
    throw new UsageError(`${one} needs one more word: ${family.join(', ')}.`);
  throw new UsageError(`There is no command ${two}.${suggestion(two, names) || suggestion(one, names)}`);
}

function checkArguments(name: string, command: Command, args: readonly string[]): void {
  const takes = command.takes ?? [];
  const required = takes.filter((one) => !one.startsWith('['));
  const missing = required[args.length];
  if (missing !== undefined) throw new UsageError(`${name} needs ${missing}.`);
  const extra = args[takes.length];
  if (extra !== undefined) throw new UsageError(`${name} does not take ${extra}.`);
}

function checkOptions(name: string, command: Command, given: Record<string, unknown>): void {
  for (const [option, { required }] of Object.entries(command.options ?? {}))
    if (required && (given[option] === undefined || given[option] === ''))
      throw new UsageError(`${name} needs --${option}.`);
}

/** @throws UsageError */
export function parse(name: string, command: Command, rest: string[]): Parsed {
  const own = Object.fromEntries(
    Object.entries(command.options ?? {}).map(([option, { value }]) => [
      option,
      { type: value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { values, positionals } = parseOwn(name, { ...own, ...COMMON }, rest);
  const help = values.help === true;
  const json = values.json === true;
  if (!help) {
    checkArguments(name, command, positionals);
    checkOptions(name, command, values);
  }
  return { options: values, args: positionals, help, json };
}

type OptionTypes = Record<string, { type: 'string' | 'boolean' }>;

function parseOwn(name: string, options: OptionTypes, args: string[]) {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true, strict: true });
    return {
      values: parsed.values as Record<string, string | boolean | undefined>,
      positionals: parsed.positionals,
    };
  } catch (error) {
    const message = (error as Error).message;
    const unknown = /^Unknown option '(-+([^' ]+))/.exec(message);
    if (!unknown) throw new UsageError(`${name}: ${message}`);
    const known = Object.keys(options).map((one) => `--${one}`);
    throw new UsageError(`${name} has no option ${unknown[1]}.${suggestion(`--${unknown[2]}`, known)}`);
  }
}
