/**
 * What every e-mail adapter has to do, whatever stands behind it. Each target brings a real server and says what
 * that server truly accepted; the suite talks to it through a proxy that can break the conversation anywhere.
 */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import type { Connection } from '../../src/channels/channel.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { answers } from './email-answers.ts';
import { cuts } from './email-cuts.ts';
import { limits } from './email-limits.ts';
import { proof } from './email-proof.ts';
import type { Abilities, EmailTarget, World } from './email-target.ts';

export function emailConformance(
  name: string,
  abilities: Abilities,
  start: () => Promise<EmailTarget>,
): void {
  describe(name, () => {
    let target: EmailTarget;
    let proxy: FaultProxy;
    const open: Connection[] = [];
    const world = (): World => ({
      target,
      proxy,
      connect(more) {
        const connection = target.connect(proxy.port, more);
        open.push(connection);
        return connection;
      },
    });

    beforeAll(async () => {
      target = await start();
      proxy = await startFaultProxy({ port: target.port });
    });
    afterEach(async () => {
      proxy.plan(null);
      proxy.delay(0);
      await Promise.all(open.splice(0).map((connection) => connection.close()));
    });
    afterAll(async () => {
      await proxy?.stop();
      await target?.stop();
    });

    answers(world, abilities);
    cuts(world);
    proof(world, abilities);
    limits(world);
  });
}
