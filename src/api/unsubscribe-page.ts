/** The page behind an unsubscribe link: one question, one button, readable without a script, by anybody. */
import { createHash } from 'node:crypto';
import type { Subscription } from '../inbound/unsubscribe.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f5f5f4; color: #1c1917;
  font: 1.0625rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { box-sizing: border-box; width: min(30rem, 100%); padding: 2rem 1.5rem; text-align: center; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: 0 0 1.5rem; overflow-wrap: anywhere; }
button { min-height: 3rem; padding: 0 1.75rem; border: 0; border-radius: .5rem; background: #b91c1c; color: #fff;
  font: inherit; font-weight: 600; cursor: pointer; }
button:hover { background: #991b1b; }
button:focus-visible { outline: 3px solid #1d4ed8; outline-offset: 3px; }
@media (prefers-color-scheme: dark) {
  body { background: #1c1917; color: #f5f5f4; }
  button:focus-visible { outline-color: #93c5fd; }
}`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** Nothing but the style and the form; kept by nobody, found by no search engine. */
export const PAGE_HEADERS = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex',
};

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;
}

function noun({ channel }: Subscription): string {
  return channel === 'email' ? 'e-mail' : 'messages';
}

/** Before: the question. Null: whoever asks has a link that is not ours, and learns no more than that. */
export function questionPage(subscription: Subscription | null): string {
  if (subscription?.subscribed === false) return donePage(subscription);
  const whose = subscription?.address
    ? `<strong>${escaped(subscription.address)}</strong> will get no more ${noun(subscription)} from ${escaped(subscription.organization)}.`
    : 'You will get no more e-mail from this sender.';
  // The form posts to the address it came from. Its field tells this page's button from a mail program's.
  return page(
    'Unsubscribe?',
    `<p>${whose}</p>
<form method="post">
<input type="hidden" name="from" value="page">
<button type="submit">Unsubscribe</button>
</form>`,
  );
}

/** The token in a test that somebody sent to themselves: it is nobody's, and unsubscribes nobody. */
export const TEST_LINK = 'test';

export function testPage(): string {
  return page(
    'This was a test',
    '<p>The message with this link was sent as a test to whoever wrote it. Nobody is unsubscribed by it. In a real message the recipient finds the way out here.</p>',
  );
}

/** After. Without a subscription it promises nothing that was not done. */
export function donePage(subscription: Subscription | null): string {
  if (subscription === null)
    return page(
      'Thank you',
      '<p>If this link belonged to an address on our lists, that address gets no more e-mail. Should messages still come, use the link in the newest one.</p>',
    );
  const who = subscription.address === null ? 'You' : `<strong>${escaped(subscription.address)}</strong>`;
  const get = subscription.address === null ? 'get' : 'gets';
  return page(
    'You are unsubscribed',
    `<p>${who} ${get} no more ${noun(subscription)} from ${escaped(subscription.organization)}. There is nothing else to do.</p>`,
  );
}
