const STEP_MS = 20;

/** Waits for a condition instead of for a time; fails with what it waited for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limit_ms = 10_000,
): Promise<void> {
  const end = Date.now() + limit_ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited ${limit_ms} ms for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
