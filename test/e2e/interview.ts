/** interview tells a node one lie after the other and looks whether anything about it has moved. */
import { expect } from "bun:test";
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import type { SigningSecret } from "../../src/crypto/ed25519.ts";
import type { SigningKey } from "../../src/model/keys.ts";
import type { Status } from "../../src/wire/local-api.ts";
import { type HostileControl, nothingNew, signMap, type Victim } from "./hostile-control.ts";
import type { NodeHost } from "./node-host.ts";

/** What is said instead of a map. `honest` is the map that the true server would send now. */
export type Lie = {
  readonly name: string;
  /** The code by which `status` names what it saw. */
  readonly finding: string;
  readonly say: (victim: Victim, honest: Record<string, CanonicalValue>) => string;
};

/** A map that goes on from where the victim is by one entry, as if that were the honest log. */
export const slipIn = (
  { name, finding }: Pick<Lie, "name" | "finding">,
  entry: () => CanonicalValue,
  control: SigningSecret,
): Lie => ({
  ...{ name, finding },
  say: (victim, honest) => {
    const head = { epoch: victim.hello.head.epoch + 1, root: "ab".repeat(32) };
    return signMap({ ...honest, head, entries: [entry()] }, control);
  },
});

export type Terms = { readonly network: string; readonly audience: string };

export const findingsOf = ({ control, findings }: Status): string =>
  JSON.stringify([control?.reason, ...findings]);

/** What is held of the network, without the time that is left, which is rounded. */
const believed = ({ trust }: Pick<Status, "trust">): Partial<Status["trust"]> => ({
  ...trust,
  holdUntil: 0,
});

/**
 * After each lie the node runs on, believes what it did, has changed nothing on its host, and says what
 * it saw. Returns the stream on which the next word can be said.
 */
export async function tell(
  hostile: HostileControl,
  node: NodeHost,
  key: SigningKey,
  terms: Terms,
  lies: readonly Lie[],
): Promise<Victim> {
  let victim = await hostile.victim(key);
  let isMoved = false;
  for (const { name, finding, say } of lies) {
    // An honest word first, so that each lie is told to a node that trusts its server.
    const honest = nothingNew(victim, terms);
    await hostile.say(victim, signMap(honest, hostile.loot.control));
    await node.untilConnected();
    const [before, { trust }] = [await node.network(), await node.status()];
    await hostile.say(victim, say(victim, honest));
    const status = await node.until(
      `to refuse ${name}`,
      (one) => one.control?.state === "refused" && findingsOf(one).includes(finding),
    );
    expect(status.state, name).toBe("running");
    expect(believed(status), name).toEqual(believed({ trust }));
    expect(await node.network(), name).toBe(before);
    // Who was lied to comes back ever later, unless the network changes.
    isMoved = !isMoved;
    await node.host.ip(`address ${isMoved ? "add" : "del"} 198.51.100.7/32 dev eth0`);
    victim = await hostile.victim(key, victim);
  }
  return victim;
}
