/** The command line: words in, exit code out. Nothing is decided here but how a result or a refusal is shown. */
import { type Call, EXIT, type Streams, UsageError } from './command.ts';
import { COMMANDS } from './commands.ts';
import { helpFor, helpForAll, helpForGroup } from './help.ts';
import { find, parse } from './parse.ts';

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
    if (error instanceof UsageError) return explainUsage(error, json, streams);
    const { explain } = await import('./explain.ts');
    return explain(error, json, streams);
  }
}

async function run(
  words: readonly string[],
  env: NodeJS.ProcessEnv | undefined,
  streams: Streams,
): Promise<number> {
  const found = find(Object.keys(COMMANDS), words);
  if ('group' in found) {
    streams.out(helpForGroup(COMMANDS, found.group));
    return EXIT.ok;
  }
  const { name, rest } = found;
  const command = await COMMANDS[name]!.load();
  const { options, args, help, json } = parse(name, command, rest);
  if (help) {
    streams.out(helpFor(COMMANDS, name, command));
    return EXIT.ok;
  }
  const { loadConfig } = await import('../config.ts');
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

function explainUsage(error: UsageError, json: boolean, streams: Streams): number {
  if (json) streams.out(JSON.stringify({ error: { code: 'usage', detail: error.message } }));
  streams.err(`${error.message}\nSee \`npx cadenza --help\`.`);
  return EXIT.usage;
}
