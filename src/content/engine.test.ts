import fc from 'fast-check';
import { Liquid } from 'liquidjs';
import { describe, expect, it } from 'vitest';
import * as engine from '../../src/content/engine.mjs';

/** liquidjs as it comes, with the options that decide what is printed. */
const stock = (html: boolean) =>
  new Liquid({
    strictFilters: true,
    ownPropertyOnly: true,
    timezoneOffset: 0,
    locale: 'en-US',
    ...(html ? { outputEscape: 'escape' as const } : {}),
  });
const STOCK = { html: stock(true), text: stock(false) };

function ours(source: string, html: boolean, scope: object): string {
  let result: (string | null)[] | engine.Refusal;
  try {
    result = engine.renderParts([engine.parse(source, html)], scope);
  } catch {
    return 'does not parse';
  }
  return Array.isArray(result) ? `printed ${result[0]}` : result.reason;
}

function theirs(source: string, html: boolean, scope: object): string {
  const liquid = html ? STOCK.html : STOCK.text;
  let templates: ReturnType<typeof liquid.parse>;
  try {
    templates = liquid.parse(source);
  } catch {
    return 'does not parse';
  }
  try {
    return `printed ${liquid.renderSync(templates, scope)}`;
  } catch {
    return 'template_error';
  }
}

const SCOPE = {
  contact: {
    first_name: 'Ada <b> & "c"',
    company: 'Acme, Inc, Ltd',
    attributes: {
      tags: ['x', 'b', 'x', 'ä'],
      seats: 12,
      ratio: 2.5,
      since: '2026-03-08T10:00:00Z',
      vip: true,
      no: false,
    },
  },
  sender: { name: ' bob ' },
};
const text = fc.constantFrom(
  'contact.first_name',
  'contact.company',
  'sender.name',
  'contact.attributes.seats',
  'contact.attributes.ratio',
  'contact.attributes.vip',
  'contact.attributes.no',
  'contact.first_name.size',
  'contact.attributes.tags[1]',
  'contact.attributes.tags.last',
  '"lit"',
  '7',
);
const argument = fc.oneof(text, fc.constantFrom('""', '"a"', '", "', '2', '-1', '0'));
const filters = fc.array(
  fc.oneof(
    fc.constantFrom(
      'upcase',
      'downcase',
      'capitalize',
      'strip',
      'size',
      'first',
      'last',
      'squish',
      'url_encode',
    ),
    fc.constantFrom('abs', 'ceil', 'floor', 'round', 'reverse', 'sort', 'uniq', 'compact', 'strip_newlines'),
    fc
      .tuple(
        fc.constantFrom(
          'append',
          'prepend',
          'remove',
          'split',
          'join',
          'plus',
          'minus',
          'times',
          'default',
          'truncate',
          'truncatewords',
          'slice',
          'at_least',
          'at_most',
          'modulo',
          'divided_by',
          'remove_first',
        ),
        argument,
      )
      .map(([name, value]) => `${name}: ${value}`),
    fc.tuple(argument, argument).map(([a, b]) => `replace: ${a}, ${b}`),
    fc.constantFrom('date: "%Y-%m-%d"', 'default: "x", allow_false: true', 'replace_first: "a", "b"'),
  ),
  { maxLength: 3 },
);
const value = fc.tuple(text, filters).map(([name, chain]) => [name, ...chain].join(' | '));
const operator = fc.constantFrom('==', '!=', '>', '<', '>=', '<=', 'contains', 'and', 'or');
const condition = fc.oneof(
  text,
  fc.tuple(text, operator, argument).map((parts) => parts.join(' ')),
  fc.tuple(text, operator, text, operator, argument).map((parts) => parts.join(' ')),
  text.map((name) => `not ${name}`),
);
const { source } = fc.letrec<{ source: string; block: string }>((tie) => ({
  source: fc
    .array(
      fc.oneof(
        { maxDepth: 2, depthIdentifier: 'block' },
        fc.constantFrom(
          'a ',
          '\n',
          '<p>&',
          '{% raw %}{{ x }}{% endraw %}',
          '{% comment %}{{ y }}{% endcomment %}',
        ),
        value.map((chain) => `{{ ${chain} }}`),
        value.map((chain) => `{{- ${chain} -}}`),
        value.map((chain) => `{% assign v = ${chain} %}`),
        fc.constantFrom(
          '{{ v }}',
          '{{ item }}',
          '{{ forloop.index }}',
          '{% break %}',
          '{%- continue -%}',
          '{{ c }}',
        ),
        tie('block'),
      ),
      { maxLength: 5 },
    )
    .map((pieces) => pieces.join('')),
  block: fc.oneof(
    fc
      .tuple(
        fc.constantFrom('if', 'unless'),
        condition,
        tie('source'),
        condition,
        tie('source'),
        tie('source'),
      )
      .map(
        ([tag, test, body, other, second, last]) =>
          `{% ${tag} ${test} %}${body}{% elsif ${other} %}${second}{% else %}${last}{% end${tag} %}`,
      ),
    fc
      .tuple(
        fc.constantFrom('contact.attributes.tags', '(1..3)', 'contact.company', 'nothing'),
        fc.constantFrom('', ' limit: 2', ' offset: 1', ' reversed'),
        tie('source'),
        tie('source'),
      )
      .map(
        ([list, more, body, empty]) =>
          `{% for item in ${list}${more} %}${body}{% else %}${empty}{% endfor %}`,
      ),
    tie('source').map((body) => `{% capture c %}${body}{% endcapture %}`),
    fc
      .tuple(value, argument, tie('source'), tie('source'))
      .map(
        ([subject, when, body, other]) =>
          `{% case ${subject} %}{% when ${when}, "lit" %}${body}{% else %}${other}{% endcase %}`,
      ),
  ),
}));

describe('the engine', () => {
  it('prints what liquidjs prints, or refuses; it never prints anything else', () => {
    const printed = { count: 0 };
    const property = fc.property(source, fc.boolean(), (template, html) => {
      const mine = ours(template, html, SCOPE);
      // A slow machine may run out of the time a message has.
      if (mine === 'missing_variable' || mine === 'template_timeout') return;
      if (mine.startsWith('printed')) printed.count++;
      expect(mine).toBe(theirs(template, html, SCOPE));
    });
    fc.assert(property, { numRuns: 4_000 });
    expect(printed.count).toBeGreaterThan(1_500);
  });

  it('refuses a blank where liquidjs would print one', () => {
    const blank = { contact: { first_name: null, attributes: { tags: [], list: ['a', ' '] } } };
    const refused = [
      '{{ contact.first_name }}',
      '{{ contact.first_name | upcase }}',
      '{{ contact.nope.deep }}',
      '{{ "a" | append: contact.first_name }}',
      '{{ contact.first_name | default: contact.nope }}',
      '{% assign x = contact.first_name %}{{ x }}',
      '{% for x in contact.attributes.list %}{{ x }}{% endfor %}',
      '{{ contact.attributes.tags | join: "," }}',
      '{{ contact.attributes.tags | first }}',
    ];
    for (const one of refused) expect([one, ours(one, false, blank)]).toEqual([one, 'missing_variable']);
  });

  it('prints a blank only where the author wrote one', () => {
    const blank = { contact: { first_name: null } };
    const allowed = [
      '{{ contact.first_name | default: "" }}',
      '{% capture x %}{% if contact.first_name %}a{% endif %}{% endcapture %}{{ x }}',
      '{{ "" }}',
      '{% for x in contact.attributes.list %}{{ x }}{% endfor %}',
    ];
    for (const one of allowed) expect([one, ours(one, false, blank)]).toEqual([one, 'printed ']);
  });

  it('takes a blank value for none in conditions', () => {
    const blank = { contact: { first_name: null } };
    const test = (condition: string) => ours(`{% if ${condition} %}yes{% else %}no{% endif %}`, false, blank);
    expect(test('contact.first_name')).toBe('printed no');
    for (const same of ['== ""', '== empty', '== blank', '== nil']) {
      expect([same, test(`contact.first_name ${same}`)]).toEqual([same, 'printed yes']);
    }
    expect(test('contact.first_name != ""')).toBe('printed no');
    expect(test('"" == contact.first_name')).toBe('printed yes');
  });

  it('names the line of an error', () => {
    expect(engine.renderParts([engine.parse('a\nb\n{{ "now" | date: "%Y" }}', false)], {})).toEqual({
      reason: 'template_error',
      detail: 'line 3: date of "now" is not allowed',
    });
  });
});
