/** quorum takes a mesh from the one key beside its control server to people who decide together. */
import { assert } from "../../src/base/assert.ts";
import type { Mesh } from "./mesh.ts";
import { wordsOf } from "./journal.ts";
import type { PersonHost } from "./person-host.ts";

/** Each of `protect`'s runs brings it on by a step at least. */
const roundsMax = 8;

/**
 * Two of these people decide from now on, and the control server's own key no more: what it has on its
 * disk is what a thief would find, and lets nobody in.
 */
export async function protect(mesh: Mesh, people: readonly PersonHost[]): Promise<void> {
  const cards = await Promise.all(people.map((person) => person.card()));
  const argv = ["membership", "protect", ...cards, "--without-host-key"];
  for (let round = 0; round < roundsMax; round++) {
    const said = await mesh.control.service.run(argv);
    if (said.exitCode === 0) return;
    assert(said.exitCode === 75, `protect: ${wordsOf(said)}`);
    for (const person of people) await person.decide("sign", "--all");
  }
  assert(false, "protect comes to an end");
}

/** One proposes, another signs: decided. Returns what the second one's command said. */
export async function decideTogether(
  [first, second]: readonly PersonHost[],
  ...change: readonly string[]
): Promise<string> {
  assert(first !== undefined && second !== undefined, "it takes two");
  const [outcome] = await first.outcomes("propose", ...change);
  assert(outcome?.state === "pending", `one alone decides nothing: ${Bun.inspect(outcome)}`);
  return second.decide("sign", outcome.id);
}
