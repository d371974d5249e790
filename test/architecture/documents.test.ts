import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Planted, plant } from '../support/planted.ts';

const OPENAPI = {
  paths: {
    '/api/contacts': { get: {}, post: {} },
    '/api/contacts/{id}': { get: {}, parameters: [{ name: 'id', in: 'path', schema: { type: 'string' } }] },
    '/api/cron/{name}': {
      get: { parameters: [{ name: 'name', in: 'path', schema: { enum: ['unified-daily'] } }] },
      post: {},
    },
  },
};
const WORLD = {
  'package.json': '{ "name": "planted", "scripts": { "start": "x", "check:fast": "x" } }',
  'openapi.json': JSON.stringify(OPENAPI),
  'bin/cadenza.mjs': '',
  'src/cli/commands.ts':
    "export const COMMANDS = { up: 1, 'keys create': 2, 'import contacts': 3, why: 4 } as const;\n",
  'src/api/routes.ts': '',
  'src/kernel/ids.ts': 'export function newId() {\n  return 1;\n}\n',
  'src/channels/smtp/owner.ts': '',
  'docs/other.md': '# Other page\n\n## What it is, in short\n',
};
/** Line → what must be said about it. */
const WRONG: Record<string, string> = {
  'See `src/kernel/gone.ts`.': '`src/kernel/gone.ts` does not exist',
  'See `src/kern` too.': '`src/kern` does not exist',
  'See `src/nowhere/`.': '`src/nowhere/` does not exist',
  'Each `src/channels/<adapter>/gone.ts` is one.': '`src/channels/<adapter>/gone.ts` does not exist',
  'The file `gone.sql` holds it.': 'no file is called `gone.sql`',
  'Run `npm run gone`.': 'npm script `gone` is not in package.json',
  'Run `npm test -- file`.': 'npm script `test` is not in package.json',
  'Type `cadenza fly`.': '`cadenza fly` is no command of src/cli/',
  'Type `npx cadenza keys revoke`.': '`cadenza keys revoke` is no command of src/cli/',
  '`GET /api/gone` lists them.': '/api/gone is no route of openapi.json',
  '`GET /api/contacts/typo` is one.': '/api/contacts/typo is no route of openapi.json',
  '`DELETE /api/contacts/:id` erases.': '/api/contacts/:id has no DELETE in openapi.json',
  'curl http://localhost:3000/api/goner': '/api/goner is no route of openapi.json',
  '`POST /api/cron/weekly` runs.': '/api/cron/weekly is no route of openapi.json',
  '[ids](src/kernel/id.ts)': 'link to src/kernel/id.ts, which does not exist',
  '[ids](src/kernel/ids.ts#oldId)': 'link to src/kernel/ids.ts, which does not name oldId',
  '[ids](src/kernel/ids.ts#new)': 'link to src/kernel/ids.ts, which does not name new',
  '[ids](src/kernel/ids.ts#L40)': 'link to src/kernel/ids.ts, which has no line 40',
  '[other](docs/other.md#what-it-was)': 'link to docs/other.md, which has no heading #what-it-was',
  '[away](../secret.md)': 'link ../secret.md leaves the project',
};
const RIGHT = [
  'See `src/kernel/ids.ts`, `src/kernel`, `src/channels/<adapter>/`, `src/**/ids.ts` and `ids.ts`.',
  'Run `npm start`, `npm ci`, `npm run check:fast`; `npm install` too.',
  'Type `cadenza up`, `cadenza keys create --name N`, `cadenza import contacts FILE`, `cadenza why TOUCH`.',
  'The folder `src/api/` with `src/api/routes.ts`; $BASE/api/contacts; curl localhost:3000/api/contacts.',
  'Cadenza flies. The `cadenza` command, `cadenza --help`.',
  '`GET /api/contacts`, `/api/contacts/:id`, `/api/contacts/0190a1b2`, `/api/contacts/$ID?x=1`, `/api/cron/unified-daily`.',
  '`/api/cron/:name`, `/api/contacts/*`, `/api/openapi.json`, https://example.com/api/contacts.',
  '[ids](src/kernel/ids.ts#newId) [ids](src/kernel/ids.ts#L2) [o](docs/other.md#what-it-is-in-short) [w](https://example.com/x)',
];

describe('the check that documents name only what exists', () => {
  const projects: Planted[] = [];
  const withReadme = (lines: string[], world: Record<string, string> = WORLD) => {
    const project = plant({ ...world, 'README.md': `${lines.join('\n')}\n` });
    projects.push(project);
    return project.run('docs');
  };
  let said: { status: number | null; lines: string[] };
  beforeAll(() => {
    said = withReadme(Object.keys(WRONG));
  });
  afterAll(() => {
    for (const project of projects) project.remove();
  });

  it.each(Object.entries(WRONG))('[OPS-3] refuses: %s', (line, message) => {
    const number = Object.keys(WRONG).indexOf(line) + 1;
    expect(said.lines).toContain(`README.md:${number} ${message}`);
  });

  it('[OPS-3] says nothing else about those lines, and is red', () => {
    const lines = Object.keys(WRONG);
    const numbers = said.lines.slice(0, -1).map((line) => Number(/^README\.md:(\d+) /.exec(line)?.[1]));
    expect(said.status).toBe(1);
    expect(new Set(numbers).size).toBe(lines.length);
    expect(numbers).toHaveLength(lines.length);
  });

  it('[OPS-3] is green about what exists, in prose and in fenced code', () => {
    const fenced = [
      '```sh',
      '$ npx cadenza up',
      'npm run check:fast',
      'curl localhost:3000/api/contacts',
      '```',
    ];
    expect(withReadme([...RIGHT, ...fenced])).toEqual({
      status: 0,
      lines: ['docs: 2 documents, 0 findings'],
    });
  });

  it('[OPS-3] reads fenced code too', () => {
    const { lines } = withReadme(['```sh', 'npx cadenza fly', '```']);
    expect(lines).toContain('README.md:2 `cadenza fly` is no command of src/cli/');
  });

  it('[OPS-3] is red when the table of commands cannot be read', () => {
    const { status, lines } = withReadme(['Nothing.'], {
      ...WORLD,
      'src/cli/commands.ts': 'export const X = 1;\n',
    });
    expect(lines.join('\n')).toContain('src/cli/ has no table COMMANDS');
    expect(status).toBe(1);
  });
});
