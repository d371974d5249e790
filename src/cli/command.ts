/** What a command of `cadenza` is: an entry of the table in `commands.ts`. */
import type { Config } from '../config.ts';

export interface Option {
  /** What stands for the value in the help: `NAME`. Without it the option is a switch. */
  value?: string;
  about: string;
  required?: boolean;
}

/** An entry of the table. The command itself is loaded when it is asked for: the others' modules take seconds. */
export interface Listed {
  /** One line, without a full stop. */
  summary: string;
  load(): Promise<Command>;
}

export interface Command {
  /** Arguments after the name, in order: `FILE`; optional ones in brackets: `[FILE]`. */
  takes?: readonly string[];
  options?: Record<string, Option>;
  /** Further help: an example, what the exit codes mean here. */
  about?: string;
  /** Gives the exit code when it is not 0. */
  run(call: Call): Promise<number | undefined>;
}

export interface Call {
  config: Config;
  /** By name without dashes: a text, true, or absent. */
  options: Record<string, string | boolean | undefined>;
  args: string[];
  json: boolean;
  /** The result: one line of JSON with `--json`, else the text. Call it once, at the end. */
  result(value: unknown, text: string): void;
  /** On the way: progress and remarks, to standard error. */
  note(text: string): void;
}

export interface Streams {
  out(text: string): void;
  err(text: string): void;
}

export const EXIT = { ok: 0, failed: 1, usage: 2, refused: 3 } as const;

/** Wrong use of the command line: what is wrong, in one sentence. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** An option's text; absent when not given. */
export function textOption(call: Pick<Call, 'options'>, name: string): string | undefined {
  const value = call.options[name];
  return typeof value === 'string' ? value : undefined;
}
