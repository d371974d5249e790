/** Writes docs/configuration.md from the table of settings in src/config.ts. */
import './load-typescript.mjs';
import { writeOrCheck } from './write-or-check.mjs';

const { SETTINGS } = await import('../../src/config.ts');

const rows = Object.entries(SETTINGS).map(
  ([name, { fallback, about }]) =>
    `| \`${name}\` | ${fallback === undefined ? '' : `\`${fallback}\``} | ${about.replaceAll('|', '\\|')} |`,
);

writeOrCheck(
  'docs/configuration.md',
  `# Configuration

Generated from [src/config.ts](../src/config.ts) by \`npm run docs:configuration\`.

All settings are environment variables; an empty one counts as not set. A bad value stops the start and is named.

| variable | default | what |
|---|---|---|
${rows.join('\n')}

## Files in the data directory

\`CADENZA_DATA\` is made at the first start, open to its owner only.

| file | what |
|---|---|
| \`secrets.json\` | The generated master secret (mode 0600), unless \`CADENZA_SECRET\` is set. Passwords of senders are encrypted with it and the application's database password comes from it: **keep a copy**. |
| \`run.json\` | Where a running \`cadenza up\` is, for the commands of the same data directory (mode 0600). |
| \`postgres/\` | The embedded database, with its \`server.log\`; unless \`DATABASE_URL\` is set. **Back it up.** |
| \`sandbox/\`, \`sandbox.json\` | The sandbox inbox: its append-only record, and where it listens. |
| \`demo.json\` | Which senders the demo made: they follow the sandbox when it has to listen elsewhere. |
| \`cadenza.log\` | What \`cadenza up\` logs. |
| \`lock.N\` | Which process has the directory. |

## Rotating the master secret

1. Set \`CADENZA_SECRET=<new>,<old>\` (or put the new one first in the list of \`secrets.json\`) and restart all processes:
   old values open, new ones use the new secret.
2. Wrap the old values anew with \`npx cadenza secrets rewrap\`; it says how many there were.
3. A day later (answers kept under an Idempotency-Key live that long) drop the old one and restart.
`,
);
