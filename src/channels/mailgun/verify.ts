/** Trying a Mailgun domain: is the key known, and may the domain send. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { jsonObject, text } from '../http/json.ts';
import { connected, signedIn, type Trial, verifyOver } from '../http/verify.ts';
import type { MailgunConfig } from './config.ts';

export function verifyMailgun(config: MailgunConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const ready = 'Mailgun is ready to send.';
  return verifyOver(options, ready, async (trial) => {
    const authorization = `Basic ${Buffer.from(`api:${config.api_key}`).toString('base64')}`;
    const headers = { authorization, accept: 'application/json' };
    const url = `${config.base_url}/v4/domains/${config.domain}`;
    const called = await trial.ask({ method: 'GET', url, headers });
    const answer = connected(trial, config.base_url, called);
    if (!answer) return;
    if (answer.status === 401 && (await maySend(trial, config, headers))) {
      trial.pass('sign_in', 'The key is accepted; it may send, and not be asked for more.');
      return;
    }
    if (answer.status === 404) {
      trial.pass('sign_in', 'The key is accepted.');
      trial.fail('domain', `There is no domain ${config.domain} here; for one in the EU set base_url.`);
      return;
    }
    if (!signedIn(trial, answer)) return;
    const state = text(jsonObject(answer.body), 'domain', 'state');
    if (state === 'active') trial.pass('domain', `${config.domain} is active.`);
    else trial.fail('domain', `${config.domain} cannot send yet: ${state ?? 'no state'}.`);
  });
}

/** A domain's own sending key may only post messages: one without any field is refused, after the key is looked at. */
async function maySend(
  trial: Trial,
  config: MailgunConfig,
  headers: Record<string, string>,
): Promise<boolean> {
  const called = await trial.ask({
    method: 'POST',
    url: `${config.base_url}/v3/${config.domain}/messages`,
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    body: '',
  });
  return called.kind === 'answered' && called.answer.status === 400;
}
