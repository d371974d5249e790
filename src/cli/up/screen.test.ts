import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { App } from '../../app.ts';
import { type ScreenInput, startScreen } from './screen.ts';

/** A screen whose figures come when the test says so. */
function slowScreen() {
  const asked: { resolve: () => void }[] = [];
  const inOrg = () =>
    new Promise((resolve) => asked.push({ resolve: () => resolve({ touches: {}, enrollments: {} }) }));
  const input: ScreenInput = {
    app: { db: { inOrg } } as unknown as App,
    sink: { onMessage() {} } as unknown as ScreenInput['sink'],
    org: '00000000-0000-7000-8000-000000000001',
    url: 'http://127.0.0.1',
    hints: [],
  };
  return { asked, screen: startScreen(input) };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('[OPS-5] a screen that is stopped while it reads its figures keeps no process alive', async () => {
  const { asked, screen } = slowScreen();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toHaveLength(1);
  screen.stop();
  asked[0]!.resolve();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('figures that take long are asked for seldom', async () => {
  const { asked, screen } = slowScreen();
  await vi.advanceTimersByTimeAsync(1_000);
  await vi.advanceTimersByTimeAsync(400);
  asked[0]!.resolve();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toHaveLength(2);
  screen.stop();
});
