/** `/u/:token`: the link in every e-mail. Public, answers whatever it is asked with 200, and never redirects. */
import { z } from 'zod';
import { type PressedBy, pressUnsubscribe, subscriptionOf } from '../../inbound/unsubscribe.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, publicRoute, type Route } from '../route.ts';
import { donePage, PAGE_HEADERS, questionPage, TEST_LINK, testPage } from '../unsubscribe-page.ts';

const tag = 'Public';
const path = '/u/:token';
const params = z.object({ token: z.string().describe('The token of the link') });

/** A mail program posts `List-Unsubscribe=One-Click` (RFC 8058), our page its own field; anything else is one click too. */
const PAGE_FIELD = /(^|&)from=page(&|$)/;

function pressedBy(body: unknown): PressedBy {
  return typeof body === 'string' && PAGE_FIELD.test(body) ? 'page' : 'one_click';
}

function html(body: string): Answer {
  return { status: 200, body, headers: PAGE_HEADERS };
}

/** Whatever is asked below `/u/` and cannot even be read as an address: the same polite page. */
export const unreadableLink = { matches: /^\/u\//, page: () => questionPage(null), headers: PAGE_HEADERS };

export function unsubscribeRoutes({ db, tokens }: ApiDeps): Route[] {
  return [
    publicRoute({
      method: 'GET',
      path,
      tag,
      summary: 'Ask whether to unsubscribe',
      about:
        'Changes nothing, so a scanner that follows the link unsubscribes nobody. Unknown links get the same page.',
      secretPath: true,
      lenient: true,
      params,
      answers: { 200: { media: 'text/html', about: 'A page with one button' } },
      handle: async (_from, { params }) =>
        html(
          params.token === TEST_LINK
            ? testPage()
            : questionPage(await subscriptionOf(db, tokens, params.token)),
        ),
    }),
    publicRoute({
      method: 'POST',
      path,
      tag,
      summary: 'Unsubscribe',
      about:
        'At once, without login, cookie or confirmation, whatever the body: the one-click POST of RFC 8058, or the button of the page. As often as it is called. Unknown links change nothing and get a page too.',
      secretPath: true,
      lenient: true,
      params,
      answers: { 200: { media: 'text/html', about: 'A page that says so' } },
      handle: async (from, { params, request }) => {
        if (params.token === TEST_LINK) return html(testPage());
        const by = pressedBy(request.body);
        return html(donePage(await pressUnsubscribe(db, tokens, params.token, { by, ...from })));
      },
    }),
  ];
}
