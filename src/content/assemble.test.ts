import { describe, expect, it } from 'vitest';
import { assemble, htmlFromText, textFromHtml } from './assemble.ts';

describe('the text part made from an HTML template', () => {
  it('keeps variables, conditions and links in place', () => {
    const html = `<h1>Hi {{ contact.first_name | default: "there" }},</h1>
      {% if contact.company %}<p>At <b>{{ contact.company }}</b> &amp; co</p>{% else %}<p>You</p>{% endif %}
      <p>See <a href="https://example.com/?e={{ contact.email | url_encode }}">our site</a></p>`;
    expect(textFromHtml(html)).toBe(
      [
        'Hi {{ contact.first_name | default: "there" }},',
        '',
        '{% if contact.company %}At {{ contact.company }} & co',
        '',
        '{% else %}You',
        '',
        '{% endif %}See our site [https://example.com/?e={{ contact.email | url_encode }}]',
      ].join('\n'),
    );
  });

  it('keeps lists, drops images and styles, and does not print comments', () => {
    const html =
      '<style>p{}</style><ul>{% for t in contact.attributes.tags %}<li>{{ t }}</li>{% endfor %}</ul><img src="x.png"><!-- {{ contact.email }} -->';
    expect(textFromHtml(html)).toBe('{% for t in contact.attributes.tags %} * {{ t }}\n{% endfor %}');
  });

  it('does not confuse a person’s own private-use characters with its marks', () => {
    expect(textFromHtml('<p>\uE0000\uE001 {{ contact.email }}</p>')).toBe('0 {{ contact.email }}');
  });
});

describe('the HTML part made from a text template', () => {
  it('makes paragraphs, line breaks and links, and escapes what a person wrote', () => {
    const text =
      'Hi {{ contact.first_name }},\n\n1 < 2 & "so"\nsee https://example.com/a?b=1&c={{ contact.email }}.\n\nBye';
    const url = 'https://example.com/a?b=1&amp;c={{ contact.email }}';
    expect(htmlFromText(text)).toBe(
      [
        '<p>Hi {{ contact.first_name }},</p>',
        '<p>1 &lt; 2 &amp; &#34;so&#34;<br>',
        `see <a href="${url}">${url}</a>.</p>`,
        '<p>Bye</p>',
      ].join('\n'),
    );
  });

  it('ends an address where brackets, quotes and punctuation begin', () => {
    expect(htmlFromText('(http://a.b/c) <http://d.e>, "http://f.g"!')).toBe(
      '<p>(<a href="http://a.b/c">http://a.b/c</a>) &lt;<a href="http://d.e">http://d.e</a>&gt;, &#34;<a href="http://f.g">http://f.g</a>&#34;!</p>',
    );
  });

  it('leaves raw blocks and tags as they are', () => {
    expect(htmlFromText('{% raw %}{{ a }}<{% endraw %}{% if contact.email %}x{% endif %}')).toBe(
      '<p>{% raw %}{{ a }}&lt;{% endraw %}{% if contact.email %}x{% endif %}</p>',
    );
  });
});

describe('layout and footer', () => {
  it('[CON-5] put the unsubscribe link into both parts', () => {
    const { text, html } = assemble({ subject: 's', text: 'Hello' });
    expect(text).toMatch(/^Hello\n\n-- \n/);
    expect(text).toContain('Unsubscribe: {{ unsubscribe_url }}');
    expect(html).toContain('<a href="{{ unsubscribe_url }}">Unsubscribe</a>');
    expect(html).toMatch(
      /^<!doctype html>.*max-width:600px.*prefers-color-scheme:dark.*<p>Hello<\/p>.*<\/html>$/s,
    );
  });

  it('[CON-5] do not repeat a link that the body always prints itself', () => {
    const { text, html } = assemble({ subject: 's', text: 'Stop: {{ unsubscribe_url }}' });
    expect(text.match(/unsubscribe_url/g)).toHaveLength(1);
    expect(html.match(/>Unsubscribe</g)).toBeNull();
    expect(html).toContain('<a href="{{ unsubscribe_url }}">{{ unsubscribe_url }}</a>');
    expect(text).toContain('{{ organization.postal_address }}');
  });

  it('[CON-5] add the link when the body prints it only sometimes, or only seems to', () => {
    const bodies = [
      '{% if contact.company %}{{ unsubscribe_url }}{% endif %}',
      '{% comment %}{{ unsubscribe_url }}{% endcomment %}',
      '{% raw %}{{ unsubscribe_url }}{% endraw %}',
      'unsubscribe_url',
    ];
    for (const text of bodies) {
      expect(assemble({ subject: 's', text }).text).toContain('Unsubscribe: {{ unsubscribe_url }}');
    }
  });

  it('leave a whole document its own head, and put the footer inside it', () => {
    const { html } = assemble({ subject: 's', html: '<html><body><p>x</p></body></html>' });
    expect(html).toMatch(/^<html><body><p>x<\/p><p class="f">.*<\/p><\/body><\/html>$/);
  });

  it('are left out when asked', () => {
    const plain = assemble({ subject: 's', text: 'a', html: '<b>a</b>', layout: 'none' });
    expect(plain).toEqual({ subject: 's', text: 'a', html: '<b>a</b>' });
  });
});
