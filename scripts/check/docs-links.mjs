/** Links from a document to files of the project: the file is there, and so is what the anchor points at. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const LINK = /\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g;

/** The anchor GitHub gives a heading. */
function slug(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

function anchorFault(text, target, anchor) {
  const line = /^L(\d+)(?:-L(\d+))?$/.exec(anchor);
  if (line) {
    const last = Number(line[2] ?? line[1]);
    return last <= text.split('\n').length ? undefined : `has no line ${last}`;
  }
  if (target.endsWith('.md')) {
    const headings = [...text.matchAll(/^#+\s+(.*)$/gm)].map((match) => slug(match[1]));
    return headings.includes(anchor) ? undefined : `has no heading #${anchor}`;
  }
  // Into code an anchor is a name that stands there as a whole word: it survives edits that move lines.
  const name = anchor.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w$])${name}(?![\\w$])`).test(text) ? undefined : `does not name ${anchor}`;
}

function fault(root, file, href) {
  const [path, anchor] = decodeURI(href).split('#');
  const target = path === '' ? file : normalize(join(dirname(file), path));
  const place = join(root, target);
  if (target.startsWith('..')) return `link ${href} leaves the project`;
  if (!existsSync(place)) return `link to ${target}, which does not exist`;
  if (!anchor) return undefined;
  if (statSync(place).isDirectory()) return `link ${href} points into a folder`;
  const wrong = anchorFault(readFileSync(place, 'utf8'), target, anchor);
  return wrong && `link to ${target}, which ${wrong}`;
}

export function brokenLinks(root, file, text) {
  const broken = [];
  for (const [index, line] of text.split('\n').entries()) {
    for (const [, href] of line.matchAll(LINK)) {
      if (/^([a-z]+:|\/)/.test(href)) continue;
      const message = fault(root, file, href);
      if (message) broken.push({ line: index + 1, message });
    }
  }
  return broken;
}
