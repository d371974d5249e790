/** Prints a result: a table for people; with `--json` one object on the last line. */

const WIDTHS = [22, 7, 11, 11, 11, 11, 8, 11];

/** @param {object} result of a bench */
export function printTable(result, print = console.log) {
  const line = (...cells) =>
    print(cells.map((cell, n) => (n === 0 ? cell.padEnd(WIDTHS[n]) : cell.padStart(WIDTHS[n]))).join(''));
  print('');
  if (result.quick)
    print('QUICK: fewer rows, one round. It shows that the bench works; its figures are rough.');
  if (result.rounds < result.rounds_planned) {
    print(`Only ${result.rounds} of ${result.rounds_planned} rounds: the time was over.`);
  }
  line('figure', 'pairs', 'median', 'min', 'max', 'unit', 'of L', 'commits/s');
  for (const [name, figure] of Object.entries(result.figures)) {
    const numbers = [figure.median, figure.min, figure.max].map(readable);
    const optional = [
      figure.of_limit?.toFixed(2) ?? '',
      figure.commits === undefined ? '' : readable(figure.commits),
    ];
    const unsteady = figure.unsteady ? '*' : '';
    line(name, `${figure.pairs ?? ''}${unsteady}`, ...numbers, figure.unit, ...optional);
  }
  if (Object.values(result.figures).some((figure) => figure.unsteady)) {
    print('* some pairs stayed unsteady: their two L differ by over 20 %');
  }
  print('');
  for (const [name, ratio] of Object.entries(result.ratios)) {
    print(`ratio ${name.padEnd(20)} ${ratio === null ? 'not measured' : ratio.toFixed(3)}`);
  }
  for (const [name, figure] of Object.entries(result.figures)) {
    if (figure.bound) print(`${name} is bound by ${figure.bound}`);
  }
  for (const note of result.notes ?? []) print(`note: ${note}`);
  for (const [why, names] of reasons(result.why_skipped)) print(`skipped ${names.join(', ')}: ${why}`);
  print('');
}

function readable(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

/** @returns {Map<string, string[]>} names by reason: one reason often takes many with it */
function reasons(why) {
  const found = new Map();
  for (const [name, reason] of Object.entries(why)) found.set(reason, [...(found.get(reason) ?? []), name]);
  return found;
}
