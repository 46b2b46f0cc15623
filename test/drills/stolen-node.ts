/** stolen-node: a machine is gone, with its keys; two people take it out, and its owner gets another. */
import { assert } from "../../src/base/assert.ts";
import { waitFor } from "../lab/wait-for.ts";
import type { Drill } from "./scene.ts";

export const stolenNode: Drill = {
  name: "stolen-node",
  runbook: "docs/operations/stolen-node.md",
  about: "Two of three people revoke a node that somebody took away with its keys.",
  run: async (scene) => {
    const { mesh, people } = scene;
    const { alice, bob, carol } = mesh.nodes;
    const [ann, ben] = people;
    await mesh.untilMeshed(alice, bob, carol);
    const them = await carol.self();
    await scene.step("propose to take it out", async () => {
      const said = await scene.type(ann, ["membership", "propose", "revoke-node", "carol"]);
      scene.expect("one signature is not enough", said.stdout.includes("missing ben, cleo"));
    });
    await scene.step("another approver signs", async () => {
      const said = await scene.type(ben, ["membership", "sign", "--all"]);
      scene.expect("it is decided", said.stdout.includes("decided"));
      await waitFor("alice to have no such peer", async () => {
        return !(await alice.tunnelPeers()).includes(them.ipv4);
      });
      scene.expect("the others have cut it off", true);
    });
    await scene.step("see that it is over", async () => {
      const log = await scene.type(ann, ["membership", "log"]);
      scene.expect("the log says who signed", /node revoked: carol .*ann, ben/.test(log.stdout));
      const listed = await scene.type(mesh.control, ["node", "list"]);
      scene.expect("the server lists it as revoked", /carol.*revoked/.test(listed.stdout));
      const peers = await scene.type(alice, ["peers"]);
      scene.expect("no peer of that name is left", !peers.stdout.includes("carol"));
    });
    await scene.step("it stays out, over restarts and with a new token", async () => {
      await carol.restart();
      await carol.until("to be closed", ({ state }) => state === "closed");
      const token = await mesh.control.token();
      const up = await carol.service.run(["up", "--token-file", "-"], { stdin: token });
      scene.expect("its identity cannot ask its way back", up.exitCode === 77);
      scene.expect("it has no tunnel", !(await carol.hasTunnel()));
    });
    await scene.step("the owner's next machine joins", async () => {
      await scene.type(carol, ["logout", "--local"]);
      const made = await scene.type(mesh.control, ["credential", "create", "--owner", "sam"]);
      const [token] = /rnjoin1\.\S+/.exec(made.stdout) ?? [];
      assert(token !== undefined, "a token was printed");
      mesh.control.tokens.push(token);
      await scene.type(carol, ["up", "--token-file", "-", "--no-wait"], {
        exits: [75],
        stdin: token,
      });
      await scene.type(ann, ["membership", "sign", "--all"]);
      await scene.type(ben, ["membership", "sign", "--all"]);
      await carol.untilState("running");
      await mesh.untilMeshed(alice, carol);
      scene.expect("it has an identity of its own", (await carol.self()).node !== them.node);
    });
  },
};
