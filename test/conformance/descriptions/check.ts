/**
 * All calls that an adapter makes, held against its provider's public description. In: a folder with descriptions. Out:
 * for each provider what was checked and what deviates; what is known and accepted is told apart.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApiSandbox } from '../../../src/channels/sandbox-api/server.ts';
import { ACCEPTED, type Accepted } from './accepted.ts';
import { readDescription } from './description.ts';
import { type Deviation, type Exchange, Judge } from './judge.ts';
import { type Recorder, startRecorder } from './record.ts';
import { scenariosOf } from './scenarios.ts';
import { CHECKED, type Source } from './sources.ts';

export interface Found extends Deviation {
  scenario: string;
  /** `POST /v3/mail/send`. */
  call: string;
  status: number;
}

export interface Checked {
  provider: string;
  files: readonly string[];
  calls: number;
  found: Found[];
  /** With the reason why it stays. */
  accepted: (Found & { why: string })[];
}

export type Result = Checked | { provider: string; files: [] };

const UNKNOWN = 'unknown.invalid';

/** All providers whose description is in the folder; the others are named. */
export async function checkAll(folder: string, only?: readonly string[]): Promise<Result[]> {
  const results: Result[] = [];
  const present = existsSync(folder) ? readdirSync(folder).sort() : [];
  for (const source of CHECKED) {
    if (only !== undefined && !only.includes(source.provider)) continue;
    const names = present.filter(
      (name) => name.split('.')[0] === source.provider && /\.(json|ya?ml)$/.test(name),
    );
    results.push(
      names.length === 0
        ? { provider: source.provider, files: [] }
        : await checkProvider(
            source,
            names,
            names.map((name) => readFileSync(join(folder, name), 'utf8')),
          ),
    );
  }
  return results;
}

/** `texts`: the description, which some providers publish in several files. */
export async function checkProvider(
  source: Source,
  files: readonly string[],
  texts: readonly string[],
): Promise<Checked> {
  const descriptions = texts.map(readDescription);
  const judges = descriptions.map((description) => new Judge(description));
  const judgeOf = (exchange: Exchange) => judges.find((judge) => judge.knows(exchange)) ?? judges[0]!;
  const recorded = await record(source);
  const host = hostOf(source);
  const hosts = descriptions.flatMap((description) => description.hosts).filter((one) => one !== UNKNOWN);
  const strange =
    host !== UNKNOWN && hosts.length > 0 && !hosts.includes(host)
      ? [{ side: 'request' as const, at: 'host', message: `${host} is not described: ${hosts}` }]
      : [];
  const all = recorded.flatMap(({ scenario, exchange }) =>
    [...strange, ...judgeOf(exchange).deviations(exchange)].map(
      (one): Found => ({
        ...one,
        scenario,
        call: `${exchange.method} ${exchange.path}`,
        status: exchange.answer.status,
      }),
    ),
  );
  const result: Checked = {
    provider: source.provider,
    files,
    calls: recorded.length,
    found: [],
    accepted: [],
  };
  for (const one of all) {
    const known = ACCEPTED.find((entry) => isOf(entry, source.provider, one));
    if (known) result.accepted.push({ ...one, why: known.why });
    else result.found.push(one);
  }
  return result;
}

const isOf = ({ provider, side, what }: Accepted, name: string, one: Deviation) =>
  provider === name && side === one.side && what.test(`${one.at} ${one.message}`);

/** Whatever the account is told to call when nobody says otherwise. */
function hostOf({ adapter, provider }: Source): string {
  const { base_url: _, ...config } = EXAMPLES.get(provider) ?? {};
  try {
    return new URL(String(adapter.config.parse(config).base_url)).host;
  } catch {
    // Of one's own gateway there is no usual address.
    return UNKNOWN;
  }
}

const EXAMPLES = new Map<string, Record<string, unknown>>();

export async function record(
  source: Pick<Source, 'provider' | 'adapter'>,
): Promise<{ scenario: string; exchange: Exchange }[]> {
  const { provider, adapter } = source;
  const dir = await mkdtemp(join(tmpdir(), 'cadenza-descriptions-'));
  const sandbox = await startApiSandbox({ dir });
  const recorder = await startRecorder(sandbox.port);
  EXAMPLES.set(provider, sandbox.config(provider));
  try {
    const all: { scenario: string; exchange: Exchange }[] = [];
    for (const scenario of scenariosOf(provider, adapter)) {
      const config = adapter.config.parse({
        ...sandbox.config(provider),
        ...scenario.config,
        base_url: `http://127.0.0.1:${recorder.port}/${provider}`,
      });
      const connection = adapter.connect(config);
      try {
        await scenario.run({ adapter, provider, sandbox, connection, config });
      } finally {
        await connection.close();
      }
      all.push(...taken(recorder, provider).map((exchange) => ({ scenario: scenario.name, exchange })));
    }
    return all;
  } finally {
    await recorder.stop();
    await sandbox.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Without the prefix under which the sandbox plays this provider. */
function taken(recorder: Recorder, provider: string): Exchange[] {
  return recorder.take().map((one) => ({ ...one, path: one.path.slice(provider.length + 1) || '/' }));
}
