/** Writes docs/errors.md from the table of refusals in src/kernel/problem.ts. */
import './load-typescript.mjs';
import { writeOrCheck } from './write-or-check.mjs';

const { PROBLEMS } = await import('../../src/kernel/problem.ts');

function cell(text) {
  return text.replaceAll('|', '\\|');
}

const rows = Object.entries(PROBLEMS)
  .sort(([a, x], [b, y]) => x.status - y.status || a.localeCompare(b))
  .map(
    ([code, { status, title, advice }]) => `| \`${code}\` | ${status} | ${cell(title)} | ${cell(advice)} |`,
  );

writeOrCheck(
  'docs/errors.md',
  `# Errors

Generated from [src/kernel/problem.ts](../src/kernel/problem.ts) by \`npm run docs:errors\`.

Every refusal is \`application/problem+json\` (RFC 9457): \`status\`, \`title\`, \`detail\` for people, and a stable
\`code\` for programs. \`errors\`, where present, names each field.

| code | status | title | what to do |
|---|---|---|---|
${rows.join('\n')}
`,
);
