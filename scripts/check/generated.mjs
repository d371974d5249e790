/**
 * Generated files are committed, and equal to what their generator writes today. Each generator is an npm script that
 * writes its file, and with `--check` only compares: exit 0 when it is fresh.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from './sources.mjs';

const GENERATED = [
  { file: 'docs/errors.md', script: 'docs:errors' },
  { file: 'schema.sql', script: 'db:schema' },
  { file: 'openapi.json', script: 'openapi' },
];

function judge(root, scripts, { file, script }) {
  const there = existsSync(join(root, file));
  if (scripts[script] === undefined) {
    return there ? { file, message: `has no generator: package.json lacks the script ${script}` } : undefined;
  }
  if (!there) return { file, message: `is missing: npm run ${script}` };
  const run = spawnSync('npm', ['run', '--silent', script, '--', '--check'], { cwd: root, encoding: 'utf8' });
  if (run.status === 0) return undefined;
  return { file, message: `is stale: npm run ${script}\n${run.stdout}${run.stderr}`.trimEnd() };
}

await main('generated', (root) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const known = GENERATED.filter(({ file, script }) => scripts[script] || existsSync(join(root, file)));
  const findings = known.map((entry) => judge(root, scripts, entry)).filter(Boolean);
  return { looked: known.length, unit: 'generated files', findings };
});
