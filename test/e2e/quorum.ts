/** quorum takes a mesh from the one key beside its control server to people who decide together. */
import { assert } from "../../src/base/assert.ts";
import { calls } from "../../src/wire/control-api.ts";
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

type Three = readonly [PersonHost, PersonHost, PersonHost];

/** Those who decide, once they do. */
export function threeOf({ people: [ann, ben, cleo] }: Mesh): Three {
  assert(ann !== undefined && ben !== undefined && cleo !== undefined, "three were invited");
  return [ann, ben, cleo];
}

/** The same, on a mesh where one key may still decide. */
export async function threeWhoDecide(mesh: Mesh): Promise<Three> {
  if (mesh.people.length === 0) await protect(mesh, await mesh.invite("ann", "ben", "cleo"));
  return threeOf(mesh);
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

/** Where the control server's log ends, as the last of the people verifies it, and its audit trail. */
export async function serverOf(mesh: Mesh): Promise<{
  readonly head: { readonly epoch: number; readonly root: string };
  readonly events: readonly string[];
}> {
  const person = mesh.people.at(-1);
  assert(person !== undefined, "people were invited");
  const { epoch, root } = await person.status();
  const { records, intact } = await mesh.control.operator(calls.auditList.output, "audit");
  assert(intact, "the audit trail is whole");
  return {
    head: { epoch, root },
    events: records.map(({ event, actor }) => `${event} by ${actor}`),
  };
}
