/** Trying a Telnyx account: is the key known, and is the sender's number one of its own that belongs to a profile. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import { credentials, type TelnyxConfig } from './config.ts';

export function verifyTelnyx(config: TelnyxConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  return verifyOver(options, 'Telnyx is ready to send.', async (trial) => {
    const query = new URLSearchParams({ 'filter[phone_number]': options.from });
    const called = await trial.ask({
      method: 'GET',
      url: `${config.base_url}/v2/phone_numbers?${query}`,
      headers: credentials(config),
    });
    const answer = connected(trial, config.base_url, called);
    if (!answer || !signedIn(trial, answer)) return;
    const numbers = at(jsonObject(answer.body), 'data');
    const own = (Array.isArray(numbers) ? numbers : []).find(
      (one) => text(one, 'phone_number') === options.from,
    );
    const profile = config.messaging_profile_id ?? text(own, 'messaging_profile_id');
    if (own === undefined) trial.fail('sender', `${options.from} is not among the numbers of this account.`);
    else if (profile === undefined)
      trial.fail('sender', `${options.from} belongs to no messaging profile; assign it to one.`);
    else trial.pass('sender', `${options.from} sends through a messaging profile.`);
  });
}
