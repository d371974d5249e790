/**
 * `npm run check:providers -- --descriptions DIR [--fetch] [--provider NAME] [--json]`: holds the calls that adapters make,
 * and what the sandbox answers, against the providers' public API descriptions. Exit code 1 when something deviates that
 * is not accepted, or when no description was there.
 */
import './generate/load-typescript.mjs';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readArguments, refuse } from './arguments.mjs';

const HELP = `npm run check:providers -- --descriptions DIR [--fetch] [--provider NAME]... [--json]

Records what each adapter sends to the provider sandbox on this machine and checks it, and the sandbox's answers,
against the provider's public API description. Nothing is sent to any provider.

  --descriptions DIR  where the descriptions are: twilio.json, resend.json, whatsapp_cloud.yaml and so on
  --fetch             downloads those that are missing there first (needs the internet; keep DIR out of the repository)
  --provider NAME     only this one; may be repeated
  --json              {"providers": [{provider, files, calls, found, accepted}]} and nothing else`;
const FETCH_TIMEOUT_MS = 60_000;

const values = readArguments(HELP, {
  descriptions: { type: 'string' },
  fetch: { type: 'boolean', default: false },
  provider: { type: 'string', multiple: true },
  json: { type: 'boolean', default: false },
});
if (values.descriptions === undefined) refuse(HELP, '--descriptions is missing');

const { SOURCES } = await import('../test/conformance/descriptions/sources.ts');
const { checkAll } = await import('../test/conformance/descriptions/check.ts');

async function fetchMissing(folder) {
  await mkdir(folder, { recursive: true });
  for (const { provider, name, url } of SOURCES) {
    if (existsSync(join(folder, name))) continue;
    if (values.provider !== undefined && !values.provider.includes(provider)) continue;
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
      if (!answer.ok) throw new Error(`${answer.status}`);
      await writeFile(join(folder, name), await answer.text());
    } catch (error) {
      process.stderr.write(`${provider}: ${url} could not be fetched: ${error.message}\n`);
    }
  }
}

/** The same deviation in several scenarios is told once. */
function told(found) {
  const lines = new Map();
  for (const { side, at, message, call, status, scenario, why } of found) {
    const key = `${side} ${call.replace(/\d{5,}|[0-9a-f]{20,}/g, '…')} ${side === 'answer' ? `${status} ` : ''}${at}: ${message}${why ? ` (${why})` : ''}`;
    lines.set(key, [...(lines.get(key) ?? []), scenario]);
  }
  return [...lines].map(([key, scenarios]) => `${key} [${[...new Set(scenarios)].join('; ')}]`);
}

if (values.fetch) await fetchMissing(values.descriptions);
const providers = await checkAll(values.descriptions, values.provider);
if (values.json) console.log(JSON.stringify({ providers }));
else
  for (const result of providers) {
    if (result.files.length === 0) {
      console.log(`skip  ${result.provider}: no description in the folder`);
      continue;
    }
    const { provider, calls, found, accepted } = result;
    console.log(
      `${found.length === 0 ? 'ok  ' : 'FAIL'}  ${provider}: ${calls} calls, ${accepted.length} accepted deviations`,
    );
    for (const line of told(found)) console.log(`        ${line}`);
    for (const line of told(accepted)) console.log(`      ~ ${line}`);
  }
const checked = providers.filter(({ files }) => files.length > 0);
process.exitCode = checked.length > 0 && checked.every(({ found }) => found.length === 0) ? 0 : 1;
