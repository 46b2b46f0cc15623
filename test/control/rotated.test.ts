/** rotated: the control server knows a node by its key of today, whatever its id followed from. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Fault } from "../../src/base/fault.ts";
import { commitOperation } from "../../src/control/changes.ts";
import { loadNetwork } from "../../src/control/network.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import type { Operation } from "../../src/membership/update.ts";
import { Harness, random, TestNode } from "../support/control-harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

const reason = { actor: "test", event: "membership_changed", detail: "{}" } as const;
function decide(operation: Operation): Promise<void> {
  const { control } = harness.running;
  return control.store.transact((transaction) =>
    commitOperation(control, transaction, operation, reason),
  );
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "accepted";
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

test("the new key speaks for the node, under the id of old, and the old key for nobody", async () => {
  const node = await harness.join("alpha");
  await node.advertise();
  const next = new TestNode(harness, keygen(random));
  await decide({ kind: "rotate_node_key", node: node.id, key: next.identity.publicKey });
  const { network } = harness.running.control;
  expect(network.advertised(node.id)).toBeUndefined();
  expect(await codeOf(node.advertise())).toBe("permission_denied");
  expect(await codeOf(next.advertise({ node: node.id }))).toBe("accepted");
  expect(await codeOf(next.advertise())).not.toBe("accepted");
  expect(network.advertised(node.id)?.advertisement.node).toBe(node.id);
});

test("a node that lost its answer gets it again by its key of today", async () => {
  const node = await harness.join("beta");
  const next = new TestNode(harness, keygen(random));
  await decide({ kind: "rotate_node_key", node: node.id, key: next.identity.publicKey });
  const before = harness.running.control.network.state.nodes.size;
  const answer = await next.enroll(await harness.token());
  expect(answer.node).toBe(node.id);
  expect(harness.running.control.network.state.nodes.size).toBe(before);
});

test("a key that was given up lets nobody in, whatever the token", async () => {
  const node = await harness.join("gamma");
  const next = new TestNode(harness, keygen(random));
  await decide({ kind: "rotate_node_key", node: node.id, key: next.identity.publicKey });
  expect(await codeOf(node.enroll(await harness.token()))).toBe("membership_rejected");
  await decide({ kind: "remove_node", node: node.id });
  expect(await codeOf(node.enroll(await harness.token()))).toBe("membership_rejected");
});

test("a node whose record was removed is told so, and may be admitted anew", async () => {
  const node = await harness.join("delta");
  await node.advertise();
  await decide({ kind: "remove_node", node: node.id });
  expect(await codeOf(node.advertise())).toBe("revoked");
  const answer = await node.enroll(await harness.token(), "delta");
  expect(answer.node).toBe(node.id);
  expect(await codeOf(node.advertise())).toBe("accepted");
});

test("what a silenced node said is gone from the disk too, and restored it may speak again", async () => {
  const node = await harness.join("epsilon");
  await node.advertise();
  await decide({ kind: "quarantine_node", node: node.id });
  expect(await codeOf(node.advertise())).toBe("permission_denied");
  const { network, store, clock } = harness.running.control;
  const stored = await loadNetwork(store, clock.nowS());
  for (const one of [network, stored]) expect(one.advertised(node.id)).toBeUndefined();
  await decide({ kind: "restore_node", node: node.id });
  expect(await codeOf(node.advertise())).toBe("accepted");
  expect(network.lastEpochFor(node.id)).toBe(network.state.epoch);
});

test("a node that was expelled and restored is told the whole log again", async () => {
  const node = await harness.join("zeta");
  await decide({ kind: "revoke_node", node: node.id });
  const { network } = harness.running.control;
  const expelledAt = network.state.epoch;
  await harness.join("eta");
  expect(network.lastEpochFor(node.id)).toBe(expelledAt);
  await decide({ kind: "restore_node", node: node.id });
  expect(network.lastEpochFor(node.id)).toBe(network.state.epoch);
  await decide({ kind: "remove_node", node: node.id });
  expect(network.lastEpochFor(node.id)).toBe(network.state.epoch);
});

test("a node that was put into quarantine while away comes to be told so, and is shown the door", async () => {
  const node = await harness.join("away");
  const { head } = harness.running.control.network;
  await decide({ kind: "quarantine_node", node: node.id });
  const held = { epoch: head.epoch, generation: 0 };
  const told = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<string | undefined>();
  await node.client().openMapStream({
    ...{ held, head },
    onMap: (text) => told.resolve(text),
    onClose: (reason) => closed.resolve(reason?.code),
  });
  expect(JSON.parse(await told.promise)).toHaveProperty("payload");
  expect(await closed.promise).toBe("revoked");
  expect(await codeOf(node.advertise())).toBe("permission_denied");
});
