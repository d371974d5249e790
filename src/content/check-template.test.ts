import { describe, expect, it } from 'vitest';
import { checkEmail } from './check-email.ts';
import { type CheckOptions, checkTemplate, type TemplateKind } from './check-template.ts';

function problems(source: string, kind: TemplateKind = 'text', options: CheckOptions = {}): string[] {
  const check = checkTemplate(source, kind, options);
  return check.ok ? [] : check.problems.map((problem) => `${problem.line} ${problem.code}`);
}

describe('a template checked before publishing', () => {
  it('[SEQ-5] names the variables it uses', () => {
    const source =
      'Hi {{ contact.first_name | default: "there" }},{% if contact.company %} {{ sender.name }}{% endif %} {{ unsubscribe_url }}';
    expect(checkTemplate(source, 'text')).toEqual({
      ok: true,
      variables: ['contact.company', 'contact.first_name', 'sender.name', 'unsubscribe_url'],
    });
  });

  it('[SEQ-5] refuses an unknown variable, wherever it stands', () => {
    expect(problems('{{ contact.frist_name }}')).toEqual(['1 unknown_variable']);
    expect(problems('a\n{{ nobody }}')).toEqual(['2 unknown_variable']);
    expect(problems('{% if contact.nope %}x{% endif %}')).toEqual(['1 unknown_variable']);
    expect(problems('{% for x in contact.nope %}{{ x }}{% endfor %}')).toEqual(['1 unknown_variable']);
    expect(problems('{% assign x = nope.x %}{{ x }}')).toEqual(['1 unknown_variable']);
    expect(problems('{{ contact.email | default: nope }}')).toEqual(['1 unknown_variable']);
    expect(problems('{% case nope %}{% when contact.email, other %}x{% endcase %}')).toEqual([
      '1 unknown_variable',
      '1 unknown_variable',
    ]);
    expect(problems('{{ contact.first_name.nope }}')).toEqual(['1 unknown_variable']);
    expect(problems('{{ contact.frist_name | default: "there" }}')).toEqual(['1 unknown_variable']);
  });

  it('[SEQ-5] refuses an attribute nobody defined, unless it has a default', () => {
    const options = { attributes: ['plan', 'size'] };
    expect(problems('{{ contact.attributes.plan }} {{ contact.attributes.size }}', 'text', options)).toEqual(
      [],
    );
    expect(problems('{{ contact.attributes.pln }}', 'text', options)).toEqual(['1 unknown_attribute']);
    expect(problems('{{ contact.attributes.pln | default: "free" }}', 'text', options)).toEqual([]);
    expect(problems('{{ contact.attributes["plan"] }}', 'text', options)).toEqual([]);
    expect(problems('{{ contact.attributes.anything }}')).toEqual([]);
  });

  it('[SEQ-5] reports everything at once, with lines', () => {
    const source =
      '{{ nope }}\n{{ contact.email | shout }}\n{{ contact }}\n{{ contact.attributes[contact.email] }}';
    expect(problems(source)).toEqual([
      '1 unknown_variable',
      '2 unknown_filter',
      '3 not_a_value',
      '4 dynamic_variable',
    ]);
    expect(
      problems(
        '{% include "a" %}\n{{ contact.nickname }}\n{% sell %}{{ contact.email | shout }}{% endsell %}',
      ),
    ).toEqual(['1 unknown_tag', '2 unknown_variable', '3 unknown_tag', '3 unknown_tag', '3 unknown_filter']);
    expect(problems('one\n{{ contact.nickname }}', 'subject')).toEqual([
      '1 line_break',
      '2 unknown_variable',
    ]);
    // What it enclosed makes no sense without it: the tag is told, and nothing that follows from it.
    expect(problems('{% unles x %}{% else %}{{ nope }}{% endunless %}')).toEqual(['1 unknown_tag']);
    expect(problems('{% include "a" %}\n{% render "b" %}\n{% layout "c" %}')).toEqual([
      '1 unknown_tag',
      '2 unknown_tag',
      '3 unknown_tag',
    ]);
  });

  it('refuses what cannot be parsed, with its line', () => {
    expect(problems('a\nb {{ contact.email')).toEqual(['2 syntax']);
    expect(problems('a\n{% if contact.email %}')).toEqual(['2 syntax']);
    expect(problems('{% endif %}')).toEqual(['1 syntax']);
    expect(problems('{{ }}')).toEqual(['1 syntax']);
    expect(problems('{{ contact.email | }}')).toEqual([]);
  });

  it('refuses objects, conditions and moments as outputs, and names of ours for its own', () => {
    expect(problems('{{ contact.attributes }}')).toEqual(['1 not_a_value']);
    expect(problems('{{ contact.email or contact.title }}')).toEqual(['1 not_a_value']);
    expect(problems('{{ "now" | date: "%Y" }}')).toEqual(['1 moment']);
    expect(problems('{% assign contact = "x" %}')).toEqual(['1 reserved_name']);
    expect(problems('{% for sender in (1..3) %}x{% endfor %}')).toEqual(['1 reserved_name']);
  });

  it('allows what templates need', () => {
    const source = `{% assign n = contact.attributes.tags | size %}{% capture list %}{% for tag in contact.attributes.tags limit: 3 %}
      {% if forloop.last %}and {% endif %}{{ tag | strip | capitalize }}{% unless forloop.last %}, {% endunless %}{% endfor %}{% endcapture %}
      {% case n %}{% when 0 %}none{% else %}{{ list }}{% endcase %}{% comment %}{% nonsense %}{% endcomment %}{% raw %}{{ x }}{% endraw %}
      {{ contact.attributes.tags[0] }} {{ contact.first_name.size }} {{ 5 | plus: n }}`;
    expect(problems(source)).toEqual([]);
  });

  it('keeps sources small enough to be parsed at once, and a subject to one line', () => {
    expect(problems('x'.repeat(100_001))).toEqual(['1 too_large']);
    expect(problems('{{a}}'.repeat(5_000))).toEqual(['1 too_large']);
    const deep = '{% if contact.email %}'.repeat(40) + '{% endif %}'.repeat(40);
    expect(problems(deep)).toEqual(['1 too_deep']);
    expect(problems('one\ntwo', 'subject')).toEqual(['1 line_break']);
    expect(problems('one\n', 'subject')).toEqual([]);
  });

  it('looks at a hostile source no longer than a quarter of a second', () => {
    const fill = (piece: string) => piece.repeat(Math.floor(99_000 / piece.length));
    const hostile = [
      '{{',
      '{%if a%}',
      '{%raw%}',
      '{%comment%}',
      '{{"',
      '{{a[',
      '{{(',
      '{%raw%}{%endraw%}',
      '{%if a%}{%endif%}',
    ];
    const sources = [
      ...hostile.map(fill),
      `{{a${fill('|upcase')}}}`,
      `{%if ${fill('a and ')}a%}{%endif%}`,
      `{{a${fill('.b')}}}`,
    ];
    for (const source of sources) {
      const before = performance.now();
      problems(source);
      // Ten times what it takes here; before lines were indexed, some took half a minute.
      expect([source.slice(0, 20), performance.now() - before < 2_500]).toEqual([source.slice(0, 20), true]);
    }
  });
});

describe('an e-mail checked before publishing', () => {
  it('[SEQ-5] reports the problems of all parts at once', () => {
    const check = checkEmail(
      { subject: '{{ nope }}', text: 'Hi\n{{ contact }}', html: '<p>{% bad %}</p>' },
      { needs_subject: true },
    );
    expect(check.ok ? [] : check.problems.map((p) => `${p.part} ${p.line} ${p.code}`)).toEqual([
      'subject 1 unknown_variable',
      'text 2 not_a_value',
      'html 1 unknown_tag',
    ]);
  });

  it('needs a body, and a subject unless it follows up', () => {
    const codes = (needs_subject: boolean, subject: string, text: string) => {
      const check = checkEmail({ subject, text }, { needs_subject });
      return check.ok ? [] : check.problems.map((p) => `${p.part} ${p.code}`);
    };
    expect(codes(true, '', '')).toEqual(['subject required', 'text required']);
    expect(codes(false, '', 'Hi')).toEqual([]);
    expect(codes(true, 'Hello', ' ')).toEqual(['text required']);
  });

  it('refuses a body from which the other part cannot be made', () => {
    const check = checkEmail({ subject: 's', html: '<div>'.repeat(19_000) }, { needs_subject: true });
    expect(check).toMatchObject({ ok: false, problems: [{ part: 'html', code: 'syntax' }] });
  });
});
