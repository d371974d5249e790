/**
 * What a template prints whatever its values are: its text outside of outputs and of blocks that may be left out. In: a
 * source that parses.
 */
import * as tree from '../../src/content/tree.mjs';

export function fixedText(source: string): string {
  return tree
    .describe(source)
    .map((node) => (node.type === 'text' ? node.text : ''))
    .join('');
}

/** The most that it may print: the text of all its blocks, and a letter for each output. */
export function fullestText(source: string): string {
  return fullest(tree.describe(source));
}

function fullest(nodes: readonly tree.TemplateNode[]): string {
  return nodes
    .map((node) => {
      switch (node.type) {
        case 'text':
          return node.text;
        case 'output':
          return 'x';
        case 'if':
          return [...node.branches.map(({ body }) => body), node.otherwise].map(fullest).join('');
        case 'case':
        case 'for':
          return node.bodies.map(fullest).join('');
        default:
          return '';
      }
    })
    .join('');
}

/** The text before the first output or tag, and whether that is all. */
export function beginning(source: string): { text: string; whole: boolean } {
  const nodes = tree.describe(source);
  const first = nodes.findIndex((node) => node.type !== 'text');
  const texts = (first < 0 ? nodes : nodes.slice(0, first)) as { text: string }[];
  return { text: texts.map(({ text }) => text).join(''), whole: first < 0 };
}

/** Is there anything in it that Liquid would replace? For fields that are no templates. */
export function looksLikeTemplate(text: string): boolean {
  return /\{[{%]/.test(text);
}
