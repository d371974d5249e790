import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as engine from '../../src/content/engine.mjs';
import * as liquid from '../../src/content/liquid.mjs';
import * as tree from '../../src/content/tree.mjs';
import { compileFast, type FastTemplate, renderFast } from './fast.ts';
import { inspect } from './inspect.ts';
import type { Scalar } from './scalar.ts';

const NAMES = [
  'contact.first_name',
  'contact.company',
  'contact.attributes.score',
  'sender.name',
  'contact.attributes.vip',
];
const slotOf = (path: string[]) => NAMES.indexOf(path.join('.'));

function scopeOf(values: readonly Scalar[]): object {
  const [first_name, company, score, name, vip] = values;
  return { contact: { first_name, company, attributes: { score, vip } }, sender: { name } };
}

function compile(source: string, html: boolean): FastTemplate | null {
  return compileFast(tree.describe(source), html, slotOf);
}

function byLiquid(source: string, html: boolean, values: readonly Scalar[]): string | engine.Refusal {
  const result = engine.renderParts([engine.parse(source, html)], scopeOf(values));
  return Array.isArray(result) ? result[0]! : result;
}

// --- templates of the fast path's language, at random ----------------------------------------------------

const literal = fc.oneof(
  fc.constantFrom('"there"', "'a & <b>'", '""', '5', '-2.5', '"é 😀"'),
  fc.constantFrom('" "', '"NULL"', '0'),
);
const filter = fc.oneof(
  fc.constantFrom(
    'upcase',
    'downcase',
    'capitalize',
    'strip',
    'lstrip',
    'rstrip',
    'strip_newlines',
    'escape',
  ),
  literal.map((value) => `default: ${value}`),
  literal.map((value) => `append: ${value}`),
  literal.map((value) => `prepend: ${value}`),
);
const variable = fc.constantFrom(...NAMES);
const output = fc
  .tuple(variable, fc.array(filter, { maxLength: 3 }), fc.boolean())
  .map(([name, filters, trim]) => {
    const chain = [name, ...filters].join(' | ');
    return trim ? `{{- ${chain} -}}` : `{{ ${chain} }}`;
  });
const keyword = fc.constantFrom('nil', 'empty', 'blank', 'true', 'false', '"Ada"', '""', '5', '0');
const comparison = fc
  .tuple(variable, fc.constantFrom('==', '!='), keyword, fc.boolean())
  .map(([name, operator, value, swap]) =>
    swap ? `${value} ${operator} ${name}` : `${name} ${operator} ${value}`,
  );
const condition = fc
  .array(
    fc.tuple(
      fc.oneof(
        variable,
        comparison,
        variable.map((name) => `not ${name}`),
      ),
      fc.constantFrom('and', 'or'),
    ),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .map((parts) => parts.map(([part, joint], index) => (index === 0 ? part : `${joint} ${part}`)).join(' '));
const text = fc.constantFrom(
  'Hi ',
  '\n',
  ' <b>&amp;</b> ',
  ',\n\n',
  '{% raw %}{{ x }}{% endraw %}',
  '{% comment %}{{ y }}{% endcomment %}',
  'é😀',
);
const { source } = fc.letrec<{ source: string; block: string }>((tie) => ({
  source: fc
    .array(fc.oneof({ maxDepth: 2, depthIdentifier: 'block' }, text, output, tie('block')), { maxLength: 6 })
    .map((pieces) => pieces.join('')),
  block: fc
    .tuple(
      fc.constantFrom('if', 'unless'),
      condition,
      tie('source'),
      fc.option(fc.tuple(condition, tie('source'))),
      fc.option(tie('source')),
    )
    .map(([tag, test, body, elsif, otherwise]) => {
      const middle = elsif === null ? '' : `{% elsif ${elsif[0]} %}${elsif[1]}`;
      const end = otherwise === null ? '' : `{% else %}${otherwise}`;
      return `{% ${tag} ${test} %}${body}${middle}${end}{% end${tag} %}`;
    }),
}));

const value: fc.Arbitrary<Scalar> = fc.oneof(
  fc.constantFrom('Ada', '<a href="x">&\'', ' padded ', 'Élan\r\nline', 'ß', '5', '0', '😀'),
  fc.string({ minLength: 1 }).map((string) => (string.trim() === '' ? null : string)),
  fc.constantFrom(0, 5, -1.5, 1e21, true, false, null, null),
);

describe('the fast path', () => {
  it('[SEQ-5] renders and refuses exactly as liquidjs does, for any template it accepts and any values', () => {
    const values = fc.tuple(value, value, value, value, value);
    let accepted = 0;
    const property = fc.property(source, fc.boolean(), values, (template, html, given) => {
      const fast = compile(template, html);
      if (fast === null) return;
      accepted++;
      expect(renderFast(fast, given, liquid.MAX_OUTPUT_CHARS)).toEqual(byLiquid(template, html, given));
    });
    fc.assert(property, { numRuns: 4_000 });
    // The property would be worth nothing if most templates were left to liquidjs anyway.
    expect(accepted).toBeGreaterThan(3_500);
  });

  it('takes templates as people write them', () => {
    const template =
      'Hi {{ contact.first_name | default: "there" }},\n{% if contact.company %}{{ contact.company | upcase }}{% else %}you{% endif %}';
    const fast = compile(template, false)!;
    expect(renderFast(fast, ['Ada', 'Acme', null, null, null], 1_000)).toBe('Hi Ada,\nACME');
    expect(renderFast(fast, [null, null, null, null, null], 1_000)).toBe('Hi there,\nyou');
  });

  it('leaves everything unbounded or unusual to the worker', () => {
    const sources = [
      '{% for x in (1..3) %}a{% endfor %}',
      '{% assign x = contact.first_name %}{{ x }}',
      '{% capture x %}a{% endcapture %}',
      '{% case contact.company %}{% when "a" %}b{% endcase %}',
      '{{ contact.first_name | replace: "a", "b" }}',
      '{{ contact.first_name | date: "%Y" }}',
      '{{ contact.first_name | default: contact.company }}',
      '{{ contact.first_name | default: "x", allow_false: true }}',
      '{{ contact.first_name.size }}',
      '{{ contact.last_name }}',
      '{% if contact.first_name contains "a" %}x{% endif %}',
      '{% if contact.attributes.score > 3 %}x{% endif %}',
      '{{ contact.first_name or contact.company }}',
      '{{ "literal" }}',
      '{% if contact.first_name | upcase %}x{% endif %}',
    ];
    for (const one of sources) expect([one, compile(one, false)]).toEqual([one, null]);
  });

  it('stops at the size limit', () => {
    const fast = compile('{{ contact.first_name }}'.repeat(200), true)!;
    const result = renderFast(fast, ['<'.repeat(10_000), null, null, null, null], liquid.MAX_OUTPUT_CHARS);
    expect(result).toMatchObject({ reason: 'output_too_large' });
  });

  it('knows the same variables as the inspection that takes the values', () => {
    const nodes = tree.describe('{% if contact.company == "x" %}{{ sender.name | default: "y" }}{% endif %}');
    expect(inspect(nodes).uses.map((use) => slotOf(use.path))).toEqual([1, 3]);
  });
});
