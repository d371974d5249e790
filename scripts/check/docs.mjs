/**
 * [OPS-3] The documentation names only what exists: every path, link, npm script, `cadenza` command and `/api/…` route
 * in README.md, ARCHITECTURE.md and docs/ is looked up where it is defined.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandsOf } from './docs-commands.mjs';
import { brokenLinks } from './docs-links.mjs';
import { unknownPath } from './docs-paths.mjs';
import { routesOf } from './docs-routes.mjs';
import { listFiles, main } from './sources.mjs';

const DOCUMENTS = /^(README\.md|ARCHITECTURE\.md|docs\/.*\.md)$/;
/** npm's own commands that need no entry in `scripts`. */
const NPM_BUILT_IN = new Set(['ci', 'install', 'i', 'exec', 'pack']);

/** Each line with the pieces of it that are code: a fenced line whole, elsewhere what stands in backticks. */
function* linesOf(text) {
  let fence;
  let number = 0;
  for (const line of text.split('\n')) {
    number += 1;
    const mark = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (mark && (fence === undefined || line.trim() === fence)) {
      fence = fence === undefined ? mark : undefined;
      continue;
    }
    const codes = fence ? [line] : [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
    yield { number, line, codes, fenced: fence !== undefined };
  }
}

function unknownScripts(code, scripts) {
  const unknown = [];
  for (const [, run, name] of code.matchAll(/\bnpm (run(?:-script)? )?(?:--?[\w-]+ )*([a-z][\w:-]*)/g)) {
    if (!run && NPM_BUILT_IN.has(name)) continue;
    if (run || name === 'start' || name === 'test') {
      if (scripts[name] === undefined) unknown.push(`npm script \`${name}\` is not in package.json`);
    }
  }
  return unknown;
}

function unknownCommands(code, commands) {
  if (commands === undefined) return [];
  const unknown = [];
  for (const [, words] of code.matchAll(
    /(?:^|[\s$/])cadenza(?:\.mjs)? ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)/g,
  )) {
    // `keys create` is a command of two words, `why TOUCH` of one: the longest that exists counts.
    const [first] = words.split(' ');
    if (!commands.has(words) && !commands.has(first))
      unknown.push(`\`cadenza ${words}\` is no command of src/cli/`);
  }
  return unknown;
}

function judgeLine({ codes, line }, world) {
  const messages = [];
  for (const code of codes) {
    messages.push(...unknownScripts(code, world.scripts), ...unknownCommands(code, world.commands));
    for (const word of code.split(/[\s'"`()[\],;|=]+/)) {
      const message = unknownPath(word, world);
      if (message) messages.push(message);
    }
  }
  if (world.routes) messages.push(...world.routes.unknown(line));
  return messages;
}

await main('docs', (root) => {
  const files = listFiles(root);
  const read = (file) => readFileSync(join(root, file), 'utf8');
  const world = {
    root,
    files,
    scripts: JSON.parse(read('package.json')).scripts ?? {},
    commands: commandsOf(root, files),
    routes: existsSync(join(root, 'openapi.json')) ? routesOf(JSON.parse(read('openapi.json'))) : undefined,
  };
  const documents = files.filter((file) => DOCUMENTS.test(file));
  const findings = [];
  for (const file of documents) {
    const text = read(file);
    for (const piece of linesOf(text)) {
      for (const message of judgeLine(piece, world)) findings.push({ file, line: piece.number, message });
    }
    for (const { line, message } of brokenLinks(root, file, text)) findings.push({ file, line, message });
  }
  const notes = [];
  if (!world.commands) notes.push('there is no src/cli/ yet: commands were not checked');
  if (!world.routes) notes.push('there is no openapi.json yet: routes were not checked');
  return { looked: documents.length, unit: 'documents', findings, notes };
});
