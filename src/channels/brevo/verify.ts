/** Trying a Brevo key: is it known, and is the sender's address or domain released. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { connected, domainOf, signedIn, type Trial, verifyOver } from '../http/verify.ts';
import type { BrevoConfig } from './config.ts';

export function verifyBrevo(config: BrevoConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const ready = 'Brevo is ready to send.';
  return verifyOver(options, ready, async (trial) => {
    const headers = { accept: 'application/json', 'api-key': config.api_key };
    const get = (path: string) => trial.ask({ method: 'GET', url: `${config.base_url}${path}`, headers });
    const answer = connected(trial, config.base_url, await get('/v3/account'));
    if (!answer || !signedIn(trial, answer)) return;
    const senders = await listed(get, '/v3/senders', 'senders');
    const domains = await listed(get, '/v3/senders/domains', 'domains');
    released(trial, options.from, senders, domains);
  });
}

/** Null: it could not be asked. */
async function listed(get: (path: string) => ReturnType<Trial['ask']>, path: string, name: string) {
  const called = await get(path);
  if (called.kind !== 'answered' || called.answer.status !== 200) return null;
  const list = at(jsonObject(called.answer.body), name);
  return Array.isArray(list) ? list : null;
}

function released(trial: Trial, from: string, senders: unknown[] | null, domains: unknown[] | null): void {
  const domain = domainOf(from);
  const sender = senders?.find((one) => text(one, 'email')?.toLowerCase() === from.toLowerCase());
  const own = domains?.find((one) => text(one, 'domain_name')?.toLowerCase() === domain);
  if (at(sender, 'active') === true) trial.pass('sender', `${from} is released.`);
  else if (at(own, 'authenticated') === true) trial.pass('sender', `${domain} is authenticated.`);
  else if (senders === null && domains === null)
    trial.pass('sender', 'The account could not be asked for its senders.');
  else trial.fail('sender', `Neither ${from} nor ${domain} is released in the account.`);
}
