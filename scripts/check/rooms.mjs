/**
 * The rooms of `src/` and who may import whom: the one table. `.dependency-cruiser.cjs` turns it into rules and
 * `architecture.mjs` runs them. A room may import itself, the rooms it names, and what those may import.
 *
 * path: a folder (ends in `/`) or one file.
 * may:  the rooms it names; transitive.
 * wires: rooms it may import without handing that right on to whoever imports it.
 * pure: no input or output, so no Node module but those of PURE_MODULES.
 */
export const ROOMS = {
  kernel: { path: 'src/kernel/', may: [], pure: true },
  schedule: { path: 'src/schedule/', may: ['kernel'], pure: true },
  db: { path: 'src/db/', may: ['kernel'] },
  tenancy: { path: 'src/tenancy/', may: ['db'] },
  contacts: { path: 'src/contacts/', may: ['tenancy'] },
  records: { path: 'src/records/', may: ['contacts'] },
  senders: { path: 'src/senders/', may: ['tenancy', 'schedule'] },
  content: { path: 'src/content/', may: ['contacts'] },
  ledger: { path: 'src/ledger/', may: ['contacts', 'senders'] },
  plan: { path: 'src/plan/', may: ['ledger', 'content', 'records', 'schedule'] },
  port: { path: 'src/channels/channel.ts', may: ['kernel'] },
  // What adapters share: calling over HTTP, what holds for every e-mail, and for every text message.
  http: { path: 'src/channels/http/', may: ['kernel', 'port'] },
  mail: { path: 'src/channels/mail/', may: ['http'] },
  sms: { path: 'src/channels/sms/', may: ['http'] },
  dispatch: { path: 'src/dispatch/', may: ['plan', 'port'] },
  inbound: { path: 'src/inbound/', may: ['plan', 'port'] },
  reports: { path: 'src/reports/', may: ['ledger'] },
  'data-directory': { path: 'src/data-directory.ts', may: [] },
  config: { path: 'src/config.ts', may: ['kernel', 'data-directory'] },
  app: {
    path: 'src/app.ts',
    may: ['config', 'dispatch', 'inbound', 'reports'],
    // The composition root alone chooses adapters: whoever imports `app` sees them through the port.
    wires: ['adapters'],
  },
  api: { path: 'src/api/', may: ['app'] },
  worker: { path: 'src/worker/', may: ['app'] },
  cli: { path: 'src/cli/', may: ['app', 'api', 'worker'] },
};

/**
 * Folders whose sub-folders are islands: none may import a sibling but those of `bridges`.
 * `sandbox` builds on `smtp`: the sink speaks real SMTP, so its sender is the real adapter pointed at it.
 * `sandbox-api` keeps its record and serves as `sandbox-http` does.
 */
export const ISLANDS = {
  adapters: {
    path: 'src/channels/',
    may: ['kernel', 'port', 'http', 'mail', 'sms'],
    bridges: { sandbox: ['smtp'], 'sandbox-api': ['sandbox-http'] },
  },
};

/** Node modules without input or output, open to pure rooms. `node:crypto` hashes and draws ids. */
export const PURE_MODULES = ['crypto', 'util', 'assert', 'buffer'];

/** Packages that one room alone may import (their types too). */
export const OWNED_PACKAGES = [
  // Whoever holds the driver can leave the tenancy scope; only the database room may.
  { packages: ['pg', 'pg-copy-streams', 'pg-cursor', 'pg-pool', 'pg-protocol'], room: 'db' },
];

/** The one file of `src/` that reads the environment. */
export const ENVIRONMENT_READER = 'src/config.ts';

/** Folders outside `src/` and what they may not import. */
export const OUTSIDE = [
  { name: 'console-talks-http', from: '^console/', not: '^src/' },
  // An oracle that shares code with what it judges would share its mistakes.
  { name: 'chaos-checker-is-independent', from: '^test/chaos/checker', not: '^src/' },
];

/** Unit tests lie beside their source and may import anything. */
export const TESTS = '\\.test\\.ts$';

function literally(path) {
  return path.replaceAll('.', '\\.');
}

/** The pattern that all files of a room match. */
export function pattern(room) {
  const path = (ROOMS[room] ?? ISLANDS[room]).path;
  return path.endsWith('/') ? `^${literally(path)}` : `^${literally(path)}$`;
}

/** Every room that `room` may import, itself included. */
export function reach(room, seen = new Set()) {
  if (seen.has(room)) return seen;
  seen.add(room);
  for (const next of ROOMS[room].may) reach(next, seen);
  return seen;
}

function roomRule(room) {
  const allowed = [...reach(room), ...(ROOMS[room].wires ?? [])];
  return {
    name: `room-${room}`,
    comment: `src/${room} may import: ${ROOMS[room].may.join(', ') || 'nothing of ours'}`,
    severity: 'error',
    from: { path: pattern(room), pathNot: TESTS },
    to: { path: '^src/', pathNot: allowed.map(pattern) },
  };
}

function pureRule(room) {
  return {
    name: `pure-${room}`,
    comment: `src/${room} computes with values: no input, no output`,
    severity: 'error',
    from: { path: pattern(room), pathNot: TESTS },
    to: { dependencyTypes: ['core'], pathNot: `^(node:)?(${PURE_MODULES.join('|')})$` },
  };
}

function islandRules(name) {
  const { path, may, bridges } = ISLANDS[name];
  const home = literally(path);
  const common = may.map(pattern);
  const crossing = Object.keys(bridges);
  const rule = (suffix, from, pathNot) => ({
    name: `island-${suffix}`,
    comment: `each folder of ${path} is an island: it may import ${may.join(', ')}`,
    severity: 'error',
    from,
    to: { path: '^src/', pathNot },
  });
  return [
    rule(
      name,
      {
        path: `^${home}([^/]+)/`,
        // What they share lies among them and has rules of its own.
        pathNot: [TESTS, ...crossing.map((island) => `^${home}${island}/`), ...common],
      },
      [`^${home}$1/`, ...common],
    ),
    ...crossing.map((island) =>
      rule(
        `${name}-${island}`,
        { path: `^${home}${island}/`, pathNot: TESTS },
        [island, ...bridges[island]].map((other) => `^${home}${other}/`).concat(common),
      ),
    ),
  ];
}

/** All rules, in the form dependency-cruiser takes under `forbidden`. */
export function rules() {
  const rooms = Object.keys(ROOMS);
  return [
    ...rooms.map(roomRule),
    ...rooms.filter((room) => ROOMS[room].pure).map(pureRule),
    ...Object.keys(ISLANDS).flatMap(islandRules),
    ...OWNED_PACKAGES.map(({ packages, room }) => ({
      name: `package-of-${room}`,
      comment: `src/${room} alone imports ${packages.join(', ')}`,
      severity: 'error',
      from: { path: '^src/', pathNot: [pattern(room), TESTS] },
      to: { path: packages.flatMap((name) => [`node_modules/${name}/`, `node_modules/@types/${name}/`]) },
    })),
    ...OUTSIDE.map(({ name, from, not }) => ({
      name,
      severity: 'error',
      from: { path: from },
      to: { path: not },
    })),
    {
      name: 'src-stands-alone',
      comment: 'the product imports nothing from its tests, scripts, benches or console',
      severity: 'error',
      from: { path: '^src/', pathNot: TESTS },
      to: { path: ['^(test|scripts|bench|console|bin)/', TESTS] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: { path: '^src/' }, to: { couldNotResolve: true } },
  ];
}

/** Does some room own this file of `src/`? */
export function hasRoom(file) {
  return [...Object.keys(ROOMS), ...Object.keys(ISLANDS)].some((room) =>
    new RegExp(room in ISLANDS ? `${pattern(room)}[^/]+/` : pattern(room)).test(file),
  );
}
