/** portions sends what is too much for one call in several. */
import { type Outcome, proposalsMax } from "../wire/control-api.ts";

/** A body that is not too large for the server, with room for what is around it. */
const portionMaxLength = 192 * 1024;

/** Sends any number of items in as many calls as it takes, in order: they build on one another. */
export async function inPortions<T>(
  items: readonly T[],
  send: (portion: T[]) => Promise<readonly Outcome[]>,
): Promise<readonly Outcome[]> {
  const portions: T[][] = [];
  let sizeLeft = 0;
  for (const item of items) {
    const size = JSON.stringify(item).length + 1;
    const last = portions.at(-1);
    if (last === undefined || size > sizeLeft || last.length === proposalsMax) {
      portions.push([item]);
      sizeLeft = portionMaxLength - size;
    } else {
      last.push(item);
      sizeLeft -= size;
    }
  }
  const outcomes: Outcome[] = [];
  for (const portion of portions) outcomes.push(...(await send(portion)));
  return outcomes;
}
