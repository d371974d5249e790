/**
 * The one layout of ours around every HTML body, and the footers. All are Liquid sources: they are joined to a
 * template's own source once, so that a message is still one render.
 *
 * The HTML is 600 px wide, narrows on small screens, follows a dark colour scheme where the mail client honours
 * one, and is short on purpose: these bytes are rendered, hashed and sent with every message.
 */
const STYLE = [
  'body{margin:0;background:#f4f4f5;color:#18181b;font:16px/1.5 -apple-system,Segoe UI,Roboto,Arial,sans-serif}',
  '.c{max-width:600px;margin:0 auto;padding:24px;background:#fff}',
  '.f{font-size:12px;color:#71717a;margin-top:32px}',
  'a{color:#2563eb}img{max-width:100%;height:auto}',
  '@media(max-width:620px){.c{padding:16px}}',
  '@media(prefers-color-scheme:dark){body{background:#18181b;color:#e4e4e7}.c{background:#27272a}a{color:#93c5fd}}',
].join('');

const HEAD = [
  '<!doctype html><html><head><meta charset="utf-8">',
  '<meta name="viewport" content="width=device-width,initial-scale=1">',
  '<meta name="color-scheme" content="light dark">',
  `<style>${STYLE}</style></head><body>`,
  '<table role="presentation" width="100%" cellspacing="0" cellpadding="0"><tr><td><div class="c">',
].join('');

const TAIL = '</div></td></tr></table></body></html>';

const ADDRESS =
  '{% if organization.postal_address %}{% if organization.name %}{{ organization.name }}, {% endif %}{{ organization.postal_address }}';

export const HTML_UNSUBSCRIBE = '<a href="{{ unsubscribe_url }}">Unsubscribe</a>';
export const TEXT_UNSUBSCRIBE = 'Unsubscribe: {{ unsubscribe_url }}';

/** A body's own unsubscribe link makes ours unnecessary; the postal address stays. */
export function htmlFooter(withLink: boolean): string {
  const link = withLink ? HTML_UNSUBSCRIBE : '';
  return `<p class="f">${ADDRESS}${withLink ? '<br>' : ''}{% endif %}${link}</p>`;
}

export function textFooter(withLink: boolean): string {
  const link = withLink ? TEXT_UNSUBSCRIBE : '';
  return `\n\n-- \n${ADDRESS}${withLink ? '\n' : ''}{% endif %}${link}`;
}

/** A whole document keeps its own head and only gets the footer; anything else is wrapped. */
export function wrapHtml(body: string, footer: string): string {
  if (!/<(!doctype|html|body)[\s>]/i.test(body)) return `${HEAD}${body}${footer}${TAIL}`;
  const end = body.search(/<\/body\s*>/i);
  return end < 0 ? body + footer : body.slice(0, end) + footer + body.slice(end);
}
