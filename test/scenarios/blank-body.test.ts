/** A message that comes to nothing for its contact is not sent, and says why. */
import { expect, it } from 'vitest';
import { previewSequence } from '../../src/plan/sequences/preview.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { enrolled, enrollmentRow, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();

it('[EXE-10] [TEN-4] an e-mail whose body comes to nothing is skipped, and previewed as such', async () => {
  const world = worldOf();
  const body_text = '{% if contact.company %}You work at {{ contact.company }}{% endif %}';
  const { sequence, contacts, enrollments, touches } = await enrolled(world, 1, {
    steps: [{ channel: 'email', subject: 'S', body_text }],
  });
  const { steps } = await previewSequence(world.db, world.versions, world.ctx, sequence, {
    contact_id: contacts[0]!,
    unsubscribe_url: 'https://example.com/u/preview',
  });
  expect(steps[0]!.problem).toEqual({ code: 'template_error', detail: 'the body is empty' });
  await deliverNow(world);
  expect(world.provider.calls).toEqual([]);
  expect(await touchRow(world, touches[0]!)).toMatchObject({
    state: 'skipped',
    reason: 'template_error',
    detail: 'the body is empty',
  });
  expect((await enrollmentRow(world, enrollments[0]!)).status).toBe('failed');
});
