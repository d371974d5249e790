/** Commands as somebody types them, in the world's organization: words in, exit code and text out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { World } from '../api/world.ts';

export interface Said {
  code: number;
  out: string;
  err: string;
  /** With `--json`. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever JSON they expect
  json: any;
}

/** Call at the top of a file; its folder is gone after the last test. */
export function commandLine(world: () => World) {
  const dir = mkdtempSync(join(tmpdir(), 'cadenza-cli-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  async function cadenza(...words: string[]): Promise<Said> {
    const { db, org, secret } = world();
    const out: string[] = [];
    const err: string[] = [];
    // The application's own login: no command here needs the owner.
    const env = { APP_DATABASE_URL: db.url, CADENZA_DATA: dir, CADENZA_SECRET: secret };
    const code = await main([...words, '--org', org.id], env, {
      out: (text) => out.push(text),
      err: (text) => err.push(text),
    });
    const text = out.join('\n');
    return { code, out: text, err: err.join('\n'), json: words.includes('--json') ? JSON.parse(text) : null };
  }

  return { dir, cadenza };
}
