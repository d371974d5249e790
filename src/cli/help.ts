/** The help texts, made from the table of commands. */
import type { Command, Listed } from './command.ts';

type Table = Record<string, Listed>;

const EXIT_CODES = `Exit codes: 0 done, 1 failed, 2 wrong use of the command line, 3 refused (the reason is printed).`;

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n');
}

const listed = (entries: [string, Listed][]) =>
  columns(entries.map(([name, { summary }]) => [name, summary] as const));

export function helpForAll(table: Table): string {
  return `cadenza: the outreach engine where cancelled means cancelled.

Usage: npx cadenza COMMAND [OPTIONS]

${listed(Object.entries(table))}

npx finds it in the folder of the clone. Every command takes --json (the result as one line of JSON) and --help.
Settings come from the environment; see docs/configuration.md.
${EXIT_CODES}`;
}

const membersOf = (table: Table, word: string) =>
  Object.entries(table).filter(([name]) => name.startsWith(`${word} `));

/** Of the first word of several commands, which is none itself. */
export function helpForGroup(table: Table, word: string): string {
  return `Usage: npx cadenza ${word} COMMAND [OPTIONS]

${listed(membersOf(table, word))}

Each takes --help.
${EXIT_CODES}`;
}

export function helpFor(table: Table, name: string, command: Command): string {
  const own = Object.entries(command.options ?? {}).map(
    ([option, { value, about, required }]) =>
      [`--${option}${value ? ` ${value}` : ''}`, required ? `${about} (required)` : about] as const,
  );
  const options = [
    ...own,
    ['--json', 'Print the result as one line of JSON'] as const,
    ['--help', 'Print this'] as const,
  ];
  const usage = ['npx cadenza', name, ...(command.takes ?? []), '[OPTIONS]'].join(' ');
  const about = command.about ? `\n\n${command.about}` : '';
  const members = membersOf(table, name);
  const others = members.length > 0 ? `\n\nSee also:\n${listed(members)}` : '';
  return `${table[name]?.summary}.\n\nUsage: ${usage}\n\n${columns(options)}${about}${others}\n\n${EXIT_CODES}`;
}
