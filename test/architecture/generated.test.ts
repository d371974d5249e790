import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Planted, plant } from '../support/planted.ts';

const PROBLEM = readFileSync(new URL('../../src/kernel/problem.ts', import.meta.url), 'utf8');
const GENERATORS = ['errors', 'load-typescript', 'write-or-check'];

function project(more: Record<string, string> = {}): Planted {
  const generators = GENERATORS.map((name) => {
    const file = `scripts/generate/${name}.mjs`;
    return [file, readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')] as const;
  });
  const scripts = { 'docs:errors': 'node scripts/generate/errors.mjs' };
  return plant({
    'package.json': JSON.stringify({ name: 'planted', type: 'module', scripts }),
    'src/kernel/problem.ts': PROBLEM,
    ...Object.fromEntries(generators),
    'docs/notes.md': '',
    ...more,
  });
}

function generate(root: string): void {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate/errors.mjs'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
}

describe('the check of generated files', () => {
  let planted: Planted;
  afterEach(() => planted.remove());

  it('is red while the file is missing and green once it is written', () => {
    planted = project();
    expect(planted.run('generated').lines[0]).toBe('docs/errors.md is missing: npm run docs:errors');
    generate(planted.root);
    expect(planted.run('generated')).toEqual({
      status: 0,
      lines: ['generated: 1 generated files, 0 findings'],
    });
  });

  it('is red when the source has moved on, and names the first line that differs', () => {
    planted = project();
    generate(planted.root);
    planted.write({ 'src/kernel/problem.ts': PROBLEM.replace("'Not found'", "'Nowhere to be found'") });
    const { status, lines } = planted.run('generated');
    expect(status).toBe(1);
    expect(lines[0]).toBe('docs/errors.md is stale: npm run docs:errors');
    expect(lines.join('\n')).toMatch(/docs\/errors\.md:\d+ differs\n.*`not_found`.*\n.*Nowhere to be found/);
  });

  it('is red when a generated file has lost its generator', () => {
    planted = project({ 'openapi.json': '{}' });
    generate(planted.root);
    const { status, lines } = planted.run('generated');
    expect(lines[0]).toBe('openapi.json has no generator: package.json lacks the script openapi');
    expect(status).toBe(1);
  });

  it('writes every refusal with its status and advice', () => {
    planted = project();
    generate(planted.root);
    const text = readFileSync(join(planted.root, 'docs/errors.md'), 'utf8');
    const codes = [...PROBLEM.matchAll(/^ {2}(\w+): \{/gm)].map((match) => match[1]);
    expect(codes.length).toBeGreaterThan(20);
    for (const code of codes)
      expect(text).toMatch(new RegExp(`^\\| \`${code}\` \\| \\d{3} \\| .+ \\| .+ \\|$`, 'm'));
  });
});
