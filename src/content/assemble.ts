/**
 * From what a person wrote to the three sources that are rendered: subject, text, HTML. In: a template with a
 * text or an HTML body or both. Out: Liquid sources with layout, footer and the missing part made from the other.
 *
 * The missing part is made from the TEMPLATE, with its variables in place, once a template and not once a
 * message: converting costs milliseconds, rendering the result microseconds. A value is then escaped by the part
 * it is printed in, which converting rendered HTML could not do as well.
 */
import { convert } from 'html-to-text';
import * as engine from '../../src/content/engine.mjs';
import * as liquid from '../../src/content/liquid.mjs';
import * as tree from '../../src/content/tree.mjs';
import { htmlFooter, textFooter, wrapHtml } from './layout.ts';

export interface TemplateSource {
  /** Blank on a follow-up, which then takes its thread's subject; any other opens a thread. */
  subject: string;
  text?: string | null;
  html?: string | null;
  /** `base` (the default) wraps and adds the footer; `none` sends the bodies as they are. */
  layout?: 'base' | 'none';
}

export interface AssembledSource {
  subject: string;
  text: string;
  html: string;
}

/** Throws liquidjs's errors for a source that cannot be split into its parts. */
export function assemble(template: TemplateSource): AssembledSource {
  const written = { text: present(template.text), html: present(template.html) };
  const text = written.text ?? (written.html === null ? '' : textFromHtml(written.html));
  const html = written.html ?? htmlFromText(text);
  if (template.layout === 'none') return { subject: template.subject, text, html };
  return {
    subject: template.subject,
    text: text.trimEnd() + textFooter(!mentionsLink(text)),
    html: wrapHtml(html, htmlFooter(!mentionsLink(html))),
  };
}

/** What somebody wrote, of which all else is made. */
export function writtenBodies({ text, html }: TemplateSource): { source: string; html: boolean }[] {
  return [
    { source: present(text), html: false },
    { source: present(html), html: true },
  ].filter((body): body is { source: string; html: boolean } => body.source !== null);
}

function present(body: string | null | undefined): string | null {
  return body === undefined || body === null || body.trim() === '' ? null : body;
}

/**
 * Whether every message prints the unsubscribe link in its own body. A link inside a block does not count: in
 * some messages it would be missing.
 */
function mentionsLink(source: string): boolean {
  return tree.describe(source).some((node) => {
    if (node.type !== 'output') return false;
    const [operand] = node.value.operands;
    return operand?.kind === 'path' && operand.path.join('.') === 'unsubscribe_url';
  });
}

// Private-use characters stand for the n-th piece of Liquid while the HTML around it is converted.
const OPEN = '\uE000';
const CLOSE = '\uE001';
const MARK = /\uE000(\d+)\uE001/g;
/** A line that holds nothing but marks, with the line breaks before (looked at) and after (taken). */
const MARK_LINE = /(?<=^|(\n+))[^\S\n]*((?:\uE000\d+\uE001)+)(\n+|$)/g;

/** The text source of an HTML source: markup goes, links stay as `text [address]`, Liquid stays in place. */
export function textFromHtml(source: string): string {
  const pieces: { source: string; isTag: boolean }[] = [];
  let raw = false;
  const marked = liquid
    .splitSource(source)
    .map((piece) => {
      if (piece.kind === 'tag' && (piece.name === 'raw' || piece.name === 'endraw'))
        raw = piece.name === 'raw';
      else if (piece.kind === 'text' && !raw) return piece.source.replace(/[\uE000\uE001]/g, '');
      pieces.push({ source: piece.source, isTag: piece.kind === 'tag' });
      return `${OPEN}${pieces.length - 1}${CLOSE}`;
    })
    .join('');
  const text = convert(marked, {
    wordwrap: false,
    selectors: [
      { selector: 'img', format: 'skip' },
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true } },
      ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({
        selector,
        options: { uppercase: false },
      })),
    ],
  });
  const isTags = (marks: string) => [...marks.matchAll(MARK)].every((mark) => pieces[Number(mark[1])]!.isTag);
  return text
    .replace(MARK_LINE, (line, before: string | undefined, marks: string, after: string) => {
      // A tag prints nothing, so a line of its own would leave an empty line in every message.
      return isTags(marks) ? marks + after.slice(before?.length ?? after.length) : line;
    })
    .replace(MARK, (_, index: string) => pieces[Number(index)]!.source);
}

/** An address in escaped text, with Liquid inside it; quotes and angle brackets end it. */
const URL_IN_TEXT = /https?:\/\/(?:\uE000\d+\uE001|(?!&(?:lt|gt|#34|#39);)[^\s\uE000\uE001])+/g;
const URL_END = /[.,;:!?)\]]+$/;
const LINK_VARIABLE = /^\{\{-?\s*unsubscribe_url\s*-?\}\}$/;

/** The HTML source of a text source: paragraphs, line breaks and links; Liquid stays in place. */
export function htmlFromText(source: string): string {
  const pieces: string[] = [];
  let raw = false;
  const marked = liquid
    .splitSource(source.replace(/\r\n?/g, '\n'))
    .map((piece) => {
      if (piece.kind === 'tag' && (piece.name === 'raw' || piece.name === 'endraw'))
        raw = piece.name === 'raw';
      else if (piece.kind === 'text') {
        const text = engine.escapeHtml(piece.source.replace(/[\uE000\uE001]/g, ''));
        if (!raw) return text;
        pieces.push(text);
        return `${OPEN}${pieces.length - 1}${CLOSE}`;
      }
      const link = LINK_VARIABLE.test(piece.source);
      pieces.push(link ? `<a href="${piece.source}">${piece.source}</a>` : piece.source);
      return `${OPEN}${pieces.length - 1}${CLOSE}`;
    })
    .join('');
  const linked = marked.replace(URL_IN_TEXT, (found) => {
    const url = found.replace(URL_END, '');
    return `<a href="${url}">${url}</a>${found.slice(url.length)}`;
  });
  const paragraphs = linked
    .trim()
    .split(/\n[^\S\n]*\n\s*/)
    .map((paragraph) => `<p>${paragraph.replaceAll('\n', '<br>\n')}</p>`);
  return paragraphs.join('\n').replace(MARK, (_, index: string) => pieces[Number(index)]!);
}
