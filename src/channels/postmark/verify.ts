/** Trying a Postmark server: is the token known, and does the message stream exist. Domains need an account token. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { jsonObject, text } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import type { PostmarkConfig } from './config.ts';

export function verifyPostmark(config: PostmarkConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const ready = 'Postmark is ready to send.';
  return verifyOver(options, ready, async (trial) => {
    const headers = { accept: 'application/json', 'x-postmark-server-token': config.server_token };
    const called = await trial.ask({ method: 'GET', url: `${config.base_url}/server`, headers });
    const answer = connected(trial, config.base_url, called);
    if (!answer || !signedIn(trial, answer)) return;
    if (text(jsonObject(answer.body), 'DeliveryType') === 'Sandbox')
      trial.pass('delivery', 'This server is a sandbox of Postmark: it takes mail and delivers none.');
    const stream = config.message_stream;
    const url = `${config.base_url}/message-streams/${encodeURIComponent(stream)}`;
    const asked = await trial.ask({ method: 'GET', url, headers });
    if (asked.kind === 'answered' && asked.answer.status === 200)
      trial.pass('stream', `The message stream ${stream} exists.`);
    else trial.fail('stream', `There is no message stream ${stream} on this server.`);
  });
}
