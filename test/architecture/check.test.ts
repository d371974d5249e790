import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Planted, plant } from '../support/planted.ts';

const CHECK = fileURLToPath(new URL('../../scripts/check.mjs', import.meta.url));

describe('npm run check:fast', () => {
  let project: Planted;
  let result: { status: number | null; stdout: string };
  beforeAll(() => {
    project = plant({
      'src/kernel/wrong.ts': "export const count: number = 'one';\n",
      'src/kernel/leaning.ts': "export * from '../db/owner.ts';\n",
      'src/db/owner.ts': 'export const owned = 1;\n',
      'README.md': 'Nothing is named here.\n',
    });
    cpSync(CHECK, join(project.root, 'scripts/check.mjs'));
    const args = [join(project.root, 'scripts/check.mjs'), '--fast'];
    result = spawnSync(process.execPath, args, { cwd: project.root, encoding: 'utf8' });
  });
  afterAll(() => project.remove());

  it('is red when steps fail, and shows what each of them said', () => {
    expect(result.stdout).toMatch(/^FAIL +[\d.]+ s {2}types$/m);
    expect(result.stdout).toMatch(/^FAIL +[\d.]+ s {2}architecture, sql, sizes, docs$/m);
    expect(result.stdout).toMatch(/^--- types\n.*wrong\.ts.*TS2322/m);
    expect(result.stdout).toContain('src/kernel/leaning.ts room-kernel: imports src/db/owner.ts');
    expect(result.status).toBe(1);
  });

  it('is red when one of the checks that share a process is, whichever it is, and runs the other steps all the same', () => {
    const findings = {
      sql: {
        'src/api/wrong.ts': 'export const text = (id: string) => `SELECT a FROM b WHERE id = ${id}`;\n',
      },
      sizes: { 'src/api/wrong.ts': `${'export {};\n'.repeat(401)}` },
      docs: { 'README.md': 'See [there](docs/not-there.md).\n' },
      architecture: { 'src/api/wrong.ts': 'export const port = process.env.PORT;\n' },
    };
    for (const [check, files] of Object.entries(findings)) {
      const broken = plant({
        'src/api/right.ts': 'export const one = 1;\n',
        'README.md': 'Nothing.\n',
        ...files,
      });
      cpSync(CHECK, join(broken.root, 'scripts/check.mjs'));
      const args = [join(broken.root, 'scripts/check.mjs'), '--fast'];
      const { stdout } = spawnSync(process.execPath, args, { cwd: broken.root, encoding: 'utf8' });
      broken.remove();
      expect(stdout, check).toMatch(/^FAIL +[\d.]+ s {2}architecture, sql, sizes, docs$/m);
      expect(stdout, check).toMatch(/^ok +[\d.]+ s {2}types$/m);
      for (const name of Object.keys(findings)) {
        expect(stdout, check).toMatch(
          new RegExp(`^${name}: [1-9]\\d* .*, ${name === check ? '1' : '0'} findings$`, 'm'),
        );
      }
    }
  });

  it('leaves the dead-code step out while there is no program, and says so', () => {
    expect(result.stdout).toMatch(/^skip +dead code: there is no bin\/cadenza\.mjs yet$/m);
  });
});
