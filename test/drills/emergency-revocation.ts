/** emergency-revocation: a node that sends on and does not obey is cut off by everybody, against the clock. */
import { waitFor } from "../lab/wait-for.ts";
import { tunnelName, type NodeHost } from "../e2e/node-host.ts";
import type { Drill } from "./scene.ts";

/** The requirement (design: signed to the last packet). */
const cutOffMaxMs = 2_000;

export const emergencyRevocation: Drill = {
  name: "emergency-revocation",
  runbook: "docs/operations/emergency-revocation.md",
  about: "A node that sends and no longer obeys is revoked; the time to its last packet is taken.",
  run: async (scene) => {
    const { mesh, people } = scene;
    const { alice, bob, carol } = mesh.nodes;
    const [ann, ben] = people;
    await mesh.untilMeshed(alice, bob, carol);
    const them = await carol.self();
    const receivers: readonly NodeHost[] = [alice, bob];
    const pings = await Promise.all(
      receivers.map(async (each) => carol.host.startPing((await each.self()).ipv4)),
    );
    // It hears nothing and takes nothing down: only the others can cut it off.
    carol.service.process.kill("SIGSTOP");
    using _awake = { [Symbol.dispose]: () => carol.service.process.kill("SIGCONT") };
    await scene.step("propose it, past all that waits", async () => {
      await scene.type(ann, ["membership", "propose", "rename-node", "alice", "alicia"]);
      const said = await scene.type(ann, ["membership", "propose", "revoke-node", "carol"]);
      scene.expect("it waits for one signature", said.stdout.includes("missing ben, cleo"));
    });
    const filter = `icmp and dst host ${them.ipv4}`;
    const granted = await Promise.all(
      receivers.map((each) => each.host.capture(tunnelName, { filter })),
    );
    const before = pings.map(({ received }) => received);
    await waitFor("packets to flow", () =>
      pings.every(({ received }, i) => received > (before[i] ?? 0) + 20),
    );
    const pending = await ann.status();
    const revocation = pending.proposals.find(({ words }) => words[0]?.startsWith("node revoked"));
    const signedAtMs = Date.now();
    await scene.step("sign it", async () => {
      const said = await scene.type(ben, ["membership", "sign", revocation?.id ?? ""]);
      scene.expect("it is decided", said.stdout.includes("decided"));
      for (const each of receivers)
        await waitFor(`${each.name} to have no such peer`, async () => {
          return !(await each.tunnelPeers()).includes(them.ipv4);
        });
      const lines = pings.map(({ process }) => process.lines.length);
      await waitFor("rows of unanswered pings", () =>
        pings.every(({ process }, i) => process.lines.length > (lines[i] ?? 0) + 20),
      );
      for (const [i, capture] of granted.entries()) {
        const times = (await capture.stop()).of("icmp").map(({ timestampMs }) => timestampMs);
        const name = receivers[i]?.name ?? "";
        scene.expect(`${name} had answered before`, times.length > 10);
        const lastMs = Math.round(Math.max(...times) - signedAtMs);
        scene.measure(`signed to last packet of ${name}`, Math.max(0, lastMs), "ms", cutOffMaxMs);
      }
    });
    for (const each of pings) await each.stop();
    carol.service.process.kill("SIGCONT");
    await scene.step("see that it is over", async () => {
      const { stdout } = await scene.type(ann, ["membership", "log"]);
      scene.expect("the log says who signed", /node revoked: carol .*ann, ben/.test(stdout));
      await carol.until("to know it", ({ reason }) => reason?.code === "revoked");
      const status = await scene.type(carol, ["status"], { exits: [77] });
      scene.expect("its own daemon says so", status.stdout.includes("revoked"));
      await scene.type(ben, ["membership", "pending"]);
      scene.expect("what waited before is void", (await ben.status()).proposals.length === 0);
    });
  },
};
