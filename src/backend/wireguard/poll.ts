/** poll waits for what nothing announces. */

const pollMs = 2;

/** Asks again and again until it is so, or until the time is over; returns which of the two it was. */
export async function becomesTrue(
  condition: () => Promise<boolean>,
  maxMs: number,
): Promise<boolean> {
  const endMs = performance.now() + maxMs;
  while (!(await condition())) {
    if (performance.now() > endMs) return false;
    await Bun.sleep(pollMs);
  }
  return true;
}
