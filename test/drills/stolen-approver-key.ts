/** stolen-approver-key: somebody has a copy of one approver's key; it loses its say, the person gets another. */
import { assert } from "../../src/base/assert.ts";
import { approverHome } from "../e2e/person-host.ts";
import type { Drill } from "./scene.ts";

const freshHome = "/var/lib/approver-2";
const [stolen, fresh] = [
  ["--dir", approverHome],
  ["--dir", freshHome],
] as const;

export const stolenApproverKey: Drill = {
  name: "stolen-approver-key",
  runbook: "docs/operations/stolen-approver-key.md",
  about:
    "One of three keys is copied; the other two take its say away, and its person gets a new key.",
  run: async (scene) => {
    const { mesh, people } = scene;
    const { alice, bob } = mesh.nodes;
    const [ann, ben, cleo] = people;
    await scene.step("what the thief can do alone: nothing that takes effect", async () => {
      const argv = ["membership", "propose", "revoke-node", "bob", ...stolen];
      const said = await scene.type(ben, argv);
      scene.expect("it waits for another person", said.stdout.includes("missing ann, cleo"));
      await mesh.untilMeshed(alice, bob);
    });
    await scene.step("take the key's say away", async () => {
      await scene.type(ann, ["membership", "propose", "revoke-approver", "ben"]);
      const [outcome] = (await cleo.status()).proposals.filter(({ words }) =>
        words[0]?.includes("approver"),
      );
      assert(outcome !== undefined, "it waits");
      const said = await scene.type(cleo, ["membership", "sign", outcome.id]);
      scene.expect("it is decided", said.stdout.includes("decided"));
    });
    await scene.step("see that it is over", async () => {
      const status = await scene.type(ann, ["membership", "status"]);
      scene.expect("two are left who decide", status.stdout.includes("2 of 2: ann"));
      await scene.type(ann, ["membership", "log"]);
      const audit = await scene.type(mesh.control, ["audit"]);
      scene.expect("the audit trail has what the key proposed", audit.stdout.includes("proposal"));
      const pending = await scene.type(ann, ["membership", "pending"]);
      scene.expect("what the key proposed is void", pending.stdout.includes("no proposal waits"));
      await scene.type(ben, ["membership", "status", ...stolen], { exits: [77] });
      const tried = ["membership", "propose", "revoke-node", "bob", ...stolen];
      await scene.type(ben, tried, { exits: [77] });
      scene.expect("bob is still a node", (await bob.status()).state === "running");
    });
    await scene.step("the person makes a new key", async () => {
      const argv = ["approver", "init", "--name", "ben-2", ...fresh, "--plain-keys"];
      await scene.type(ben, argv);
      await scene.type(ben, ["approver", "network", await mesh.control.card(), ...fresh]);
      const { stdout } = await scene.type(ben, ["approver", "export", ...fresh]);
      const card = stdout.trim();
      await scene.type(ann, ["membership", "propose", "add-approver", card, "--role", "owner"]);
      await scene.type(ben, ["membership", "sign", "--all", ...fresh]);
      const said = await scene.type(cleo, ["membership", "sign", "--all"]);
      scene.expect("it is decided", said.stdout.includes("decided"));
    });
    await scene.step("two of three decide again", async () => {
      const { stdout } = await scene.type(cleo, ["membership", "status"]);
      scene.expect("the new key has a say", /2 of 3: .*ben-2/.test(stdout));
      await scene.type(ann, ["membership", "checkpoint"]);
      const said = await scene.type(ben, ["membership", "sign", "--all", ...fresh]);
      scene.expect("the new key counts", said.stdout.includes("decided"));
      await mesh.untilMeshed(alice, bob);
    });
  },
};
