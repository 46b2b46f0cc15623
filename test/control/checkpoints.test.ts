/** checkpoints: where this host decides alone it vouches for the state now and then; elsewhere people do. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { checkpointWhenDue } from "../../src/control/checkpoints.ts";
import { openHistory } from "../../src/wire/dossier.ts";
import { protect } from "../support/approver-desk.ts";
import { Harness } from "../support/control-harness.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await Harness.start();
});
afterEach(() => harness.stop());

const control = () => harness.running.control;
const checkpointEpoch = () => control().network.membership.checkpoint?.state.epoch ?? null;

test("a host that decides alone takes a checkpoint when there are as many entries, and not before", async () => {
  for (const name of ["a", "b"]) await harness.join(name);
  await checkpointWhenDue(control(), 3);
  expect(checkpointEpoch()).toBeNull();
  await harness.join("c");
  await checkpointWhenDue(control(), 3);
  expect(checkpointEpoch()).toBe(4);
  await checkpointWhenDue(control(), 3);
  expect(control().network.head.epoch).toBe(4);
  const { records, intact } = await harness.operate("auditList", {});
  expect([records.at(-1)?.actor, records.at(-1)?.event, intact]).toEqual([
    "clock",
    "membership_changed",
    true,
  ]);
});

test("who joins over a checkpoint is given the state and what came after it, also after a restart", async () => {
  for (const name of ["a", "b"]) await harness.join(name);
  await checkpointWhenDue(control(), 2);
  await harness.halt();
  await harness.serve();
  await harness.join("c");
  const node = await harness.join("d");
  const admission = await node.enroll(await harness.token(), "d");
  expect([admission.snapshot?.state.epoch, admission.entries.length]).toEqual([3, 2]);
  if (harness.genesisRoot === undefined) throw new Error("no network was founded");
  const opened = openHistory(admission, harness.genesisRoot, harness.clock.nowS());
  expect(opened.ok && opened.value.root).toBe(control().network.head.root);
});

test("where people decide together no host vouches for them", async () => {
  await protect(harness);
  await checkpointWhenDue(control(), 1);
  expect(checkpointEpoch()).toBeNull();
});
