/** Trying a Twilio account: is the key known, is the account active, and is the sender's number one of its own. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import { credentials, type TwilioConfig } from './config.ts';

export function verifyTwilio(config: TwilioConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  return verifyOver(options, 'Twilio is ready to send.', async (trial) => {
    const headers = credentials(config);
    const account = `${config.base_url}/2010-04-01/Accounts/${config.account_sid}`;
    const called = await trial.ask({ method: 'GET', url: `${account}.json`, headers });
    const answer = connected(trial, config.base_url, called);
    if (!answer || !signedIn(trial, answer)) return;
    const status = text(jsonObject(answer.body), 'status');
    if (status === 'active') trial.pass('account', 'The account is active.');
    else return trial.fail('account', `The account cannot send: it is ${status ?? 'in no known state'}.`);
    const query = new URLSearchParams({ PhoneNumber: options.from });
    const url = `${account}/IncomingPhoneNumbers.json?${query}`;
    const asked = await trial.ask({ method: 'GET', url, headers });
    const numbers =
      asked.kind === 'answered' ? at(jsonObject(asked.answer.body), 'incoming_phone_numbers') : null;
    const own = (Array.isArray(numbers) ? numbers : []).find(
      (one) => text(one, 'phone_number') === options.from,
    );
    if (own === undefined) trial.fail('sender', `${options.from} is not among the numbers of this account.`);
    else if (at(own, 'capabilities', 'sms') === true) trial.pass('sender', `${options.from} sends SMS.`);
    else trial.fail('sender', `${options.from} is not made for SMS.`);
  });
}
