/** The end of every generator: write the file, or with `--check` say whether it is fresh. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export function writeOrCheck(file, text) {
  const current = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (!process.argv.includes('--check')) {
    if (current !== text) writeFileSync(file, text);
    console.log(`${file}: ${current === text ? 'unchanged' : 'written'}`);
    return;
  }
  if (current === text) return;
  const before = (current ?? '').split('\n');
  const after = text.split('\n');
  const line = after.findIndex((one, index) => one !== before[index]);
  const at = line === -1 ? after.length : line;
  console.log(
    `${file}:${at + 1} differs\n  is      ${before[at] ?? '(nothing)'}\n  must be ${after[at] ?? '(nothing)'}`,
  );
  process.exitCode = 1;
}
