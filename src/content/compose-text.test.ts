import { expect, it } from 'vitest';
import { composeTexts } from './compose-text.ts';
import { keyed } from './content-hash.ts';
import { createRenderer } from './render.ts';

it('[EXE-10] a text that comes to nothing to see is refused, also one of characters that nobody sees', async () => {
  const renderer = createRenderer();
  const template = (source: string) => ({ template: keyed('text', source), vars: { contact: {} } as never });
  const results = await composeTexts(
    [
      '{% if contact.company %}A{% endif %}',
      ' \n',
      '\u200b\u00ad\ufeff',
      '{% unless contact.company %}B{% endunless %}',
    ].map(template),
    100,
    renderer,
  );
  await renderer.close();
  const empty = { ok: false, reason: 'template_error', detail: 'the text is empty' };
  expect(results).toEqual([empty, empty, empty, expect.objectContaining({ ok: true, message: 'B' })]);
});
