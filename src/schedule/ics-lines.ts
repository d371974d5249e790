/**
 * The lines of an iCalendar file (RFC 5545, section 3.1): unfolded, split into name, parameters and value. Strict: a
 * line that is none is an error with its number, not a guess.
 */

export interface IcsLine {
  /** As an editor counts, of the line's beginning. */
  number: number;
  /** In capitals. */
  name: string;
  /** Names in capitals; values as written, without quotes. */
  parameters: Map<string, string>;
  value: string;
}

export type IcsError = { ok: false; line: number; detail: string };

const NAME = /^[A-Za-z0-9-]+/;
const PARAMETER = /^;([A-Za-z0-9-]+)=("[^"]*"|[^";:,]*)((?:,(?:"[^"]*"|[^";:,]*))*)/;

export function readLines(text: string): IcsLine[] | IcsError {
  const lines: IcsLine[] = [];
  for (const { number, content } of unfold(text)) {
    const line = readLine(number, content);
    if ('ok' in line) return line;
    lines.push(line);
  }
  return lines;
}

/** A line that begins with a space or a tab goes on where the one before it ended. Empty lines are passed over. */
function unfold(text: string): { number: number; content: string }[] {
  const found: { number: number; content: string }[] = [];
  text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .forEach((physical, i) => {
      const last = found.at(-1);
      if (/^[ \t]/.test(physical) && last !== undefined) last.content += physical.slice(1);
      else if (physical.trim() !== '') found.push({ number: i + 1, content: physical });
    });
  return found;
}

function readLine(number: number, content: string): IcsLine | IcsError {
  const name = NAME.exec(content)?.[0];
  if (name === undefined) return { ok: false, line: number, detail: 'This line has no name' };
  const parameters = new Map<string, string>();
  let rest = content.slice(name.length);
  for (;;) {
    const match = PARAMETER.exec(rest);
    if (match === null) break;
    parameters.set(match[1]!.toUpperCase(), `${match[2]}${match[3]}`.replaceAll('"', ''));
    rest = rest.slice(match[0].length);
  }
  if (!rest.startsWith(':')) return { ok: false, line: number, detail: `${name} has no value` };
  return { number, name: name.toUpperCase(), parameters, value: rest.slice(1) };
}

/** A text value: `\n`, `\,`, `\;` and `\\` stand for what they escape. */
export function readText(value: string): string {
  return value.replace(/\\([\s\S])/g, (_, escaped: string) => (/[nN]/.test(escaped) ? '\n' : escaped));
}
