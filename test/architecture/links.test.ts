import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { type Planted, plant } from '../support/planted.ts';

const ARCHITECTURE = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8');
const PROJECT = new URL('../../', import.meta.url);

/** Each link into the project as [file, anchor]; '' where there is no anchor. */
function links(): [string, string][] {
  const found = ARCHITECTURE.matchAll(/\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)/g);
  return [...found].map((match) => [match[1] ?? '', match[2] ?? '']);
}

describe('ARCHITECTURE.md', () => {
  const projects: Planted[] = [];
  afterAll(() => {
    for (const project of projects) project.remove();
  });

  /** The page in a copy that holds just what it links to, with `change` applied to one file. */
  function copyWith(file: string, change: (text: string) => string | undefined) {
    const files: Record<string, string> = { 'ARCHITECTURE.md': ARCHITECTURE };
    for (const [path] of links()) files[path] = readFileSync(new URL(path, PROJECT), 'utf8');
    const changed = change(files[file] ?? '');
    if (changed === undefined) delete files[file];
    else files[file] = changed;
    const project = plant(files);
    projects.push(project);
    return project.run('docs').lines.filter((line) => /^ARCHITECTURE\.md:\d+ link /.test(line));
  }

  it('[OPS-3] follows a message through at least ten files', () => {
    expect(new Set(links().map(([file]) => file)).size).toBeGreaterThanOrEqual(10);
  });

  it.each(links())('[OPS-3] links to %s, where %s stands', (file, anchor) => {
    const text = readFileSync(new URL(file, PROJECT), 'utf8');
    if (anchor === '') return;
    const line = /^L(\d+)/.exec(anchor);
    if (line) expect(text.split('\n').length).toBeGreaterThanOrEqual(Number(line[1]));
    else expect(text.split(/[^\w$]+/)).toContain(anchor);
  });

  it('[OPS-3] is red when a linked file goes, or a linked function is renamed', () => {
    const gate = 'src/ledger/gate.sql';
    expect(copyWith(gate, (text) => text)).toEqual([]);
    expect(copyWith(gate, () => undefined)).toContainEqual(
      expect.stringMatching(/^ARCHITECTURE\.md:\d+ link to src\/ledger\/gate\.sql, which does not exist$/),
    );
    expect(copyWith(gate, (text) => text.replaceAll(/\bgate\b/g, 'door'))).toContainEqual(
      expect.stringMatching(
        /^ARCHITECTURE\.md:\d+ link to src\/ledger\/gate\.sql, which does not name gate$/,
      ),
    );
  });
});
