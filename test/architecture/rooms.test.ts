import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Planted, plant } from '../support/planted.ts';

/**
 * Who may import whom, written out in full and by hand (scripts/check/rooms.mjs states it by naming and reaching on), so
 * that a slip in either shows.
 */
const TENANCY = ['kernel', 'db', 'tenancy'];
const LEDGER = [...TENANCY, 'contacts', 'senders', 'schedule', 'ledger'];
const PLAN = [...LEDGER, 'content', 'records', 'plan'];
const BELOW_APP = [...PLAN, 'port', 'dispatch', 'inbound', 'reports', 'config'];
const ISLANDS = ['smtp', 'sandbox', 'sandbox-http', 'sandbox-api'];
/** What every adapter may import beside its own folder. */
const SHARED = ['kernel', 'port', 'http', 'mail', 'sms'];
const MAY: Record<string, string[]> = {
  kernel: ['kernel'],
  schedule: ['kernel', 'schedule'],
  db: ['kernel', 'db'],
  tenancy: TENANCY,
  contacts: [...TENANCY, 'contacts'],
  records: [...TENANCY, 'contacts', 'records'],
  senders: [...TENANCY, 'schedule', 'senders'],
  content: [...TENANCY, 'contacts', 'content'],
  ledger: LEDGER,
  plan: PLAN,
  port: ['kernel', 'port'],
  http: SHARED.slice(0, 3),
  mail: ['kernel', 'port', 'http', 'mail'],
  sms: ['kernel', 'port', 'http', 'sms'],
  dispatch: [...PLAN, 'port', 'dispatch'],
  inbound: [...PLAN, 'port', 'inbound'],
  reports: [...LEDGER, 'reports'],
  config: ['kernel', 'config'],
  app: [...BELOW_APP, ...SHARED, ...ISLANDS, 'app'],
  api: [...BELOW_APP, 'app', 'api'],
  worker: [...BELOW_APP, 'app', 'worker'],
  cli: [...BELOW_APP, 'app', 'api', 'worker', 'cli'],
  smtp: [...SHARED, 'smtp'],
  sandbox: [...SHARED, 'smtp', 'sandbox'],
  'sandbox-http': [...SHARED, 'sandbox-http'],
  'sandbox-api': [...SHARED, 'sandbox-http', 'sandbox-api'],
};
const ONE_FILE: Record<string, string> = {
  port: 'src/channels/channel.ts',
  config: 'src/config.ts',
  app: 'src/app.ts',
};
const ISLAND = new Set(['http', 'mail', 'sms', ...ISLANDS]);

function folderOf(room: string): string {
  return ISLAND.has(room) ? `src/channels/${room}` : `src/${room}`;
}

/** The file of a room that others import. */
function target(room: string): string {
  return ONE_FILE[room] ?? `${folderOf(room)}/owner.ts`;
}

/** The file of `room` that imports `other`. */
function importer(room: string, other: string): string {
  return ONE_FILE[room] ?? `${folderOf(room)}/uses-${other}.ts`;
}

function importLine(from: string, to: string): string {
  return `import '${'../'.repeat(from.split('/').length - 1)}${to}';\n`;
}

const planted: Planted[] = [];
function plantAndRun(files: Record<string, string>) {
  const project = plant(files);
  planted.push(project);
  return project.run('architecture');
}
afterAll(() => {
  for (const project of planted) project.remove();
});

describe('the rooms', () => {
  it('refuses every import that the table does not allow, and no other', () => {
    const files: Record<string, string> = {};
    const expected: string[] = [];
    for (const room of Object.keys(MAY)) files[target(room)] ??= 'export const owned = 1;\n';
    for (const [room, may] of Object.entries(MAY)) {
      for (const other of Object.keys(MAY)) {
        const from = importer(room, other);
        if (from === target(other)) continue;
        files[from] = (files[from] ?? '') + importLine(from, target(other));
        if (!may.includes(other)) expected.push(`${from} imports ${target(other)}`);
      }
    }
    const { status, lines } = plantAndRun(files);
    const found = lines.flatMap((line) => {
      const [, from, to] = /^(\S+) (?:room|island)-[\w-]+: imports (\S+)$/.exec(line) ?? [];
      return from ? [`${from} imports ${to}`] : [];
    });
    expect(expected.length).toBeGreaterThan(200);
    expect(found.sort()).toEqual(expected.sort());
    expect(status).toBe(1);
  });
});

describe('the other import rules', () => {
  const owner = 'export const owned = 1;\nexport type Owned = number;\n';
  const files = {
    'src/kernel/owner.ts': owner,
    'src/kernel/reads-a-file.ts': "import 'node:fs';\n",
    'src/kernel/hashes.ts': "import 'node:crypto';\n",
    'src/db/owner.ts': owner,
    'src/db/drives.ts': "import pg from 'pg';\nexport const pool = pg.Pool;\n",
    'src/tenancy/drives.ts': "import pg from 'pg';\nexport const pool = pg.Pool;\n",
    'src/tenancy/names-the-driver.ts': "import type { Pool } from 'pg';\nexport type Own = Pool;\n",
    'src/schedule/names-a-type.ts':
      "import type { Owned } from '../db/owner.ts';\nexport type Own = Owned;\n",
    'src/channels/mailer/owner.ts': owner,
    'src/channels/phone/uses-mailer.ts': "import '../mailer/owner.ts';\n",
    'src/channels/sandbox/uses-mailer.ts': "import '../mailer/owner.ts';\n",
    'src/channels/smtp/owner.ts': owner,
    'src/channels/sandbox/uses-smtp.ts': "import '../smtp/owner.ts';\n",
    'src/contacts/circle-a.ts': "import './circle-b.ts';\n",
    'src/contacts/circle-b.ts': "import './circle-a.ts';\n",
    'src/contacts/nowhere.ts': "import './no-such-file.ts';\n",
    'src/contacts/owner.test.ts': "import '../plan/owner.ts';\nimport 'pg';\n",
    'src/contacts/uses-a-test.ts': "import './owner.test.ts';\n",
    'src/contacts/uses-support.ts': "import '../../test/support/world.ts';\n",
    'src/plan/owner.ts': owner,
    'src/leftovers/owner.ts': owner,
    'src/loose.ts': owner,
    'test/support/world.ts': owner,
    'test/chaos/checker.ts': "import '../../src/kernel/owner.ts';\n",
    'test/scenarios/any.test.ts': "import '../../src/plan/owner.ts';\n",
    'console/src/view.ts': "import '../../src/kernel/owner.ts';\n",
    'src/config.ts': 'export const port = process.env.PORT;\n',
    'src/kernel/env-plain.ts': 'export const port = process.env.PORT;\n',
    'src/kernel/env-index.ts': "export const port = process['env'].PORT;\n",
    'src/kernel/env-global.ts': 'export const port = globalThis.process.env.PORT;\n',
    'src/kernel/env-taken.ts': 'const { env } = process;\nexport const port = env.PORT;\n',
    'src/db/env-imported.ts': "import { env } from 'node:process';\nexport const port = env.PORT;\n",
    'src/db/env-renamed.ts': "import own from 'node:process';\nexport const port = own.env.PORT;\n",
    'src/db/process-plain.ts': "import process from 'node:process';\nexport const pid = process.pid;\n",
    'src/db/env.test.ts': 'export const port = process.env.PORT;\n',
  };
  let status: number | null;
  let lines: string[];
  beforeAll(() => {
    ({ status, lines } = plantAndRun(files));
  });

  const planted = [
    ['input or output in a pure room', 'src/kernel/reads-a-file.ts pure-kernel: imports fs'],
    ['the driver outside src/db', /^src\/tenancy\/drives\.ts package-of-db: imports .*pg/],
    ["the driver's types outside src/db", /^src\/tenancy\/names-the-driver\.ts package-of-db: imports .*pg/],
    ['a type of a higher room', 'src/schedule/names-a-type.ts room-schedule: imports src/db/owner.ts'],
    [
      "another adapter's code",
      'src/channels/phone/uses-mailer.ts island-adapters: imports src/channels/mailer/owner.ts',
    ],
    [
      'an adapter that the sandbox does not build on',
      'src/channels/sandbox/uses-mailer.ts island-adapters-sandbox: imports src/channels/mailer/owner.ts',
    ],
    ['a cycle', /^src\/contacts\/circle-a\.ts no-cycles: .*circle-b\.ts/],
    ['an import of nothing', 'src/contacts/nowhere.ts resolvable: imports ./no-such-file.ts'],
    [
      'a unit test in the product',
      'src/contacts/uses-a-test.ts src-stands-alone: imports src/contacts/owner.test.ts',
    ],
    [
      'test support in the product',
      'src/contacts/uses-support.ts src-stands-alone: imports test/support/world.ts',
    ],
    ['a folder that is no room', 'src/leftovers/owner.ts belongs to no room of scripts/check/rooms.mjs'],
    ['a loose file', 'src/loose.ts belongs to no room of scripts/check/rooms.mjs'],
    [
      'the product in the chaos checker',
      'test/chaos/checker.ts chaos-checker-is-independent: imports src/kernel/owner.ts',
    ],
    ['the product in the console', 'console/src/view.ts console-talks-http: imports src/kernel/owner.ts'],
    ['process.env', /^src\/kernel\/env-plain\.ts:1 reads the environment/],
    ["process['env']", /^src\/kernel\/env-index\.ts:1 reads the environment/],
    ['globalThis.process.env', /^src\/kernel\/env-global\.ts:1 reads the environment/],
    ['{ env } = process', /^src\/kernel\/env-taken\.ts:1 reads the environment/],
    ['env of node:process', /^src\/db\/env-imported\.ts:1 reads the environment/],
    ['a renamed process', /^src\/db\/env-renamed\.ts:1 reads the environment/],
  ] as const;

  it.each(planted)('finds %s', (_what, finding) => {
    const hits = lines.filter((line) =>
      typeof finding === 'string' ? line === finding : finding.test(line),
    );
    expect(hits, lines.join('\n')).not.toHaveLength(0);
    expect(status).toBe(1);
  });

  it('finds nothing in the files without a fault', () => {
    const guilty = new Set(lines.slice(0, -1).map((line) => /^[^\s:]+/.exec(line)?.[0]));
    const innocent = [
      'src/kernel/hashes.ts',
      'src/db/drives.ts',
      'src/channels/sandbox/uses-smtp.ts',
      'src/contacts/owner.test.ts',
      'src/config.ts',
      'src/db/process-plain.ts',
      'src/db/env.test.ts',
      'test/scenarios/any.test.ts',
    ];
    expect(innocent.filter((file) => guilty.has(file))).toEqual([]);
  });
});

describe('an architecture check that does not see everything', () => {
  const files = {
    'src/kernel/owner.ts': 'export const owned = 1;\n',
    'src/db/owner.ts': "export * from '../kernel/owner.ts';\n",
  };

  it('is green on a clean project, having looked at every file', () => {
    const { status, lines } = plantAndRun(files);
    expect(lines).toEqual(['architecture: 2 modules, 0 findings']);
    expect(status).toBe(0);
  });

  it('is red when the TypeScript beside it is one that dependency-cruiser cannot use', () => {
    const project = plant(files);
    planted.push(project);
    const typescript = {
      'package.json': '{ "name": "typescript", "version": "7.0.0", "main": "index.js" }',
      'index.js': "exports.version = '7.0.0';\n",
    };
    project.replacePackages({ typescript }, ['dependency-cruiser']);
    const { status, lines } = project.run('architecture');
    expect(lines.join('\n')).toContain('dependency-cruiser looked at 0 modules of 2');
    expect(status).toBe(1);
  });

  it('is red when its configuration leaves a file out', () => {
    const project = plant(files);
    planted.push(project);
    project.write({ '.dependency-cruiser.cjs': "module.exports = { options: { exclude: 'src/db' } };\n" });
    const { status, lines } = project.run('architecture');
    expect(lines.join('\n')).toContain('looked at 1 modules of 2, not at src/db/owner.ts');
    expect(status).toBe(1);
  });

  it('is red when there is no file at all', () => {
    const { status, lines } = plantAndRun({ 'src/notes.md': 'no module\n' });
    expect(lines.join('\n')).toMatch(/found no modules|gave no result/);
    expect(status).toBe(1);
  });
});
