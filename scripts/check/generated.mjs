/**
 * Generated files are committed, and equal to what their generator writes today. Each generator is an npm script that
 * writes its file, and with `--check` only compares: exit 0 when it is fresh.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { main } from './sources.mjs';

const GENERATED = [
  { file: 'docs/errors.md', script: 'docs:errors' },
  { file: 'docs/states.md', script: 'docs:states' },
  { file: 'docs/configuration.md', script: 'docs:configuration' },
  { file: 'schema.sql', script: 'db:schema' },
  { file: 'openapi.json', script: 'openapi' },
];

/** The script as npm would run it, without the second that npm itself takes to start. */
function run(root, command) {
  const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}` };
  const child = spawn(command, { cwd: root, env, shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

async function judge(root, scripts, { file, script }) {
  const there = existsSync(join(root, file));
  if (scripts[script] === undefined) {
    return there ? { file, message: `has no generator: package.json lacks the script ${script}` } : undefined;
  }
  if (!there) return { file, message: `is missing: npm run ${script}` };
  const { code, output } = await run(root, `${scripts[script]} --check`);
  return code === 0 ? undefined : { file, message: `is stale: npm run ${script}\n${output}`.trimEnd() };
}

await main('generated', async (root) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const known = GENERATED.filter(({ file, script }) => scripts[script] || existsSync(join(root, file)));
  const findings = await Promise.all(known.map((entry) => judge(root, scripts, entry)));
  return { looked: known.length, unit: 'generated files', findings: findings.filter(Boolean) };
});
