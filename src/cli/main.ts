/** The command line: words in, exit code out. Nothing is decided here but how a result or a refusal is shown. */
import { ConfigError, loadConfig } from '../config.ts';
import { pgCode } from '../db/database.ts';
import { DataDirectoryInUse } from '../db/embedded/lock.ts';
import { NoEmbeddedPostgres } from '../db/embedded/platform.ts';
import { PROBLEMS, Problem } from '../kernel/problem.ts';
import { AppRoleRefused, OtherInstallation } from '../tenancy/app-login.ts';
import { type Call, EXIT, UsageError } from './command.ts';
import { COMMANDS } from './commands.ts';
import { helpFor, helpForAll } from './help.ts';
import { parse } from './parse.ts';

export interface Streams {
  out(text: string): void;
  err(text: string): void;
}

const STANDARD: Streams = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
};

/** `env` and `streams` are for tests. */
export async function main(
  words: readonly string[],
  env?: Record<string, string | undefined>,
  streams: Streams = STANDARD,
): Promise<number> {
  // Whoever reads us may stop (`| head`); that is no error.
  if (streams === STANDARD) process.stdout.on('error', () => process.exit(EXIT.ok));
  const asks = words.length === 0 || ['help', '--help', '-h'].includes(words[0]!);
  if (asks && words.length < 2) {
    streams.out(helpForAll(COMMANDS));
    return words.length === 0 ? EXIT.usage : EXIT.ok;
  }
  const json = words.includes('--json');
  try {
    return await run(words[0] === 'help' ? [...words.slice(1), '--help'] : words, env, streams);
  } catch (error) {
    return explain(error, json, streams);
  }
}

async function run(
  words: readonly string[],
  env: NodeJS.ProcessEnv | undefined,
  streams: Streams,
): Promise<number> {
  const { name, command, options, args, help, json } = parse(COMMANDS, words);
  if (help) {
    streams.out(helpFor(name, command));
    return EXIT.ok;
  }
  const call: Call = {
    config: loadConfig(env),
    options,
    args,
    json,
    result: (value, text) => streams.out(json ? JSON.stringify(value) : text),
    note: (text) => streams.err(text),
  };
  return (await command.run(call)) ?? EXIT.ok;
}

/** Undefined table, function, column. */
const NOT_MIGRATED = new Set(['42P01', '42883', '42703']);

function failureOf(error: unknown): Error {
  if (NOT_MIGRATED.has(pgCode(error) ?? ''))
    return new ConfigError('The database does not have the current schema: run `cadenza migrate`.', {
      cause: error,
    });
  return error instanceof Error ? error : new Error(String(error));
}

/** What a start meets in ordinary life: its message says it all, and a stack would only hide it. */
function isExpected(failure: Error): boolean {
  const classes = [ConfigError, DataDirectoryInUse, NoEmbeddedPostgres, AppRoleRefused, OtherInstallation];
  return classes.some((one) => failure instanceof one) || 'code' in failure;
}

/** Some messages end with a full stop, others do not. */
const sentence = (message: string) => (message.endsWith('.') ? message : `${message}.`);

function explain(error: unknown, json: boolean, streams: Streams): number {
  if (error instanceof UsageError) {
    if (json) streams.out(JSON.stringify({ error: { code: 'usage', detail: error.message } }));
    streams.err(`${error.message}\nSee \`cadenza --help\`.`);
    return EXIT.usage;
  }
  if (error instanceof Problem) {
    const { title, advice } = PROBLEMS[error.code];
    if (json)
      streams.out(
        JSON.stringify({ error: { code: error.code, detail: error.message, advice, errors: error.errors } }),
      );
    const fields = error.errors.map(({ field, message }) => `\n  ${field}: ${message}`).join('');
    streams.err(`Refused: ${title.toLowerCase()}. ${sentence(error.message)}${fields}\n${advice}`);
    return EXIT.refused;
  }
  const failure = failureOf(error);
  if (json) streams.out(JSON.stringify({ error: { code: 'failed', detail: failure.message } }));
  const short = failure.message || String(Reflect.get(failure, 'code'));
  streams.err(`Failed: ${isExpected(failure) ? short : failure.stack}`);
  return EXIT.failed;
}
