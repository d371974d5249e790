/**
 * What `cadenza up` shows: on a terminal one screen, drawn anew each second; elsewhere a line for each of the first
 * messages, then a line of counts when they change. Reads; decides nothing.
 */
import type { App, Sandbox } from '../../app.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { TOUCH_STATES } from '../../ledger/states.ts';
import { ENROLLMENT_STATUSES } from '../../plan/sequences/lifecycle.ts';
import { counted } from '../plural.ts';

export interface ScreenInput {
  app: App;
  sink: Sandbox['sink'];
  org: Uuid | null;
  url: string;
  /** Above the figures: how to go on. */
  hints: string[];
}

const EVERY_MS = 1_000;
const MESSAGES_SHOWN = 10;
/** Without a terminal: single messages up to here, then counts only. */
const LINES_PRINTED = 50;
/** Figures that take longer are left out until they are quick again. */
const FIGURES_MS = 400;
/** So many times as long as reading the figures took. */
const REST = 50;

interface Figures {
  touches: Record<string, number>;
  enrollments: Record<string, number>;
}

export function startScreen(input: ScreenInput): { stop(): void } {
  const terminal = process.stdout.isTTY === true;
  const recent: string[] = [];
  let seen = 0;
  let shown = '';
  input.sink.onMessage((entry) => {
    seen++;
    const line = `${entry.at.slice(11, 19)}  ${entry.to.join(', ').padEnd(44)}  ${entry.subject ?? ''}`;
    recent.push(line);
    if (recent.length > MESSAGES_SHOWN) recent.shift();
    if (!terminal && seen <= LINES_PRINTED) console.log(`sent  ${line}`);
  });
  const draw = async () => {
    const figures = await readFigures(input).catch(() => null);
    if (terminal) process.stdout.write(screenText(input, figures, recent, seen));
    else if (figures) {
      const line = `touches: ${counts(figures.touches, TOUCH_STATES)} · enrollments: ${counts(figures.enrollments, ENROLLMENT_STATUSES)}`;
      if (line !== shown) console.log(line);
      shown = line;
    }
  };
  let stopped = false;
  let timer: NodeJS.Timeout;
  const loop = async () => {
    const began = performance.now();
    await draw();
    // Figures that take long, or too long, are asked for seldom: nobody's messages wait for a screen.
    const rest = Math.max(terminal ? EVERY_MS : 10 * EVERY_MS, REST * (performance.now() - began));
    if (!stopped) timer = setTimeout(loop, rest);
  };
  timer = setTimeout(loop, EVERY_MS);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function readFigures({ app, org }: ScreenInput): Promise<Figures | null> {
  if (org === null) return null;
  return app.db.inOrg(org, async (tx) => {
    await tx.run(sql`SELECT set_config('statement_timeout', ${String(FIGURES_MS)}, true)`);
    const touches = await tx.rows(
      sql`SELECT state AS name, count(*)::int AS n FROM touches WHERE org_id = ${org} GROUP BY 1`,
    );
    const enrollments = await tx.rows(
      sql`SELECT status AS name, count(*)::int AS n FROM enrollments WHERE org_id = ${org} GROUP BY 1`,
    );
    const table = (rows: { name?: string; n?: number }[]) =>
      Object.fromEntries(rows.map((row) => [row.name, row.n]));
    return { touches: table(touches), enrollments: table(enrollments) };
  });
}

function counts(figures: Record<string, number>, order: readonly string[]): string {
  return (
    order.flatMap((name) => (figures[name] ? [`${name} ${figures[name]}`] : [])).join(', ') || 'none yet'
  );
}

function screenText(
  input: ScreenInput,
  figures: Figures | null,
  recent: readonly string[],
  seen: number,
): string {
  const lines = [
    `\x1b[1mCadenza\x1b[0m  ${input.url}   (Ctrl-C stops)`,
    '',
    ...input.hints,
    '',
    `touches      ${figures ? counts(figures.touches, TOUCH_STATES) : '–'}`,
    `enrollments  ${figures ? counts(figures.enrollments, ENROLLMENT_STATUSES) : '–'}`,
    `inbox        ${counted(seen, 'message')} since the start`,
    '',
    ...recent,
  ];
  const width = process.stdout.columns || 100;
  return `\x1b[H\x1b[2J${lines.map((line) => (line.length > width + 8 ? `${line.slice(0, width - 1)}…` : line)).join('\n')}\n`;
}
