/** Trying a Telegram bot: is the token known, and is it that of the bot that the sender names. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { jsonObject, text } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import { methodUrl, type TelegramConfig } from './config.ts';

export function verifyTelegram(config: TelegramConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  return verifyOver(options, 'The bot is ready to send.', async (trial) => {
    const called = await trial.ask({
      method: 'GET',
      url: methodUrl(config, 'getMe'),
      headers: { accept: 'application/json' },
    });
    const answer = connected(trial, config.base_url, called);
    if (!answer || !signedIn(trial, answer)) return;
    const name = text(jsonObject(answer.body), 'result', 'username') ?? '';
    const wanted = options.from.replace(/^@/, '');
    if (name.toLowerCase() === wanted.toLowerCase()) trial.pass('sender', `The token is that of @${name}.`);
    else
      trial.fail('sender', `The token is that of ${name === '' ? 'no bot' : `@${name}`}, not of @${wanted}.`);
  });
}
