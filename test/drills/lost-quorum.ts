/** lost-quorum: so many keys are gone that nobody can decide; nodes run on, and move to a network anew. */
import { assert } from "../../src/base/assert.ts";
import { controlStateDir, plainKeys } from "../e2e/control-host.ts";
import { approverHome, type PersonHost } from "../e2e/person-host.ts";
import type { Drill } from "./scene.ts";

/** A key is for one network: for another, people make another. */
const fresh = ["--dir", "/var/lib/approver-new"];

const loseKey = (person: PersonHost) => person.host.output(["/usr/bin/rm", "-r", approverHome]);

export const lostQuorum: Drill = {
  name: "lost-quorum",
  runbook: "docs/operations/lost-quorum.md",
  about: "Two of three keys are lost: nodes run on, and the network is founded anew without a gap.",
  run: async (scene) => {
    const { mesh, people } = scene;
    const { alice, bob, carol } = mesh.nodes;
    const [ann, ben, cleo] = people;
    await mesh.untilMeshed(alice, bob, carol);
    await loseKey(ben);
    await loseKey(cleo);
    await scene.step("see that the quorum is lost", async () => {
      const status = await scene.type(ann, ["membership", "status"]);
      scene.expect("two would have to sign", status.stdout.includes("2 of 3"));
      await scene.type(ann, ["membership", "propose", "set-threshold", "1"]);
      const pending = await scene.type(ann, ["membership", "pending"]);
      scene.expect("it waits for the others", pending.stdout.includes("missing ben, cleo"));
      scene.expect("nothing was decided", (await ann.status()).threshold === 2);
    });
    await scene.step("the nodes run on, restarts included", async () => {
      await Promise.all([alice.restart(), bob.restart()]);
      await mesh.control.service.kill();
      await mesh.control.start();
      await mesh.untilMeshed(alice, bob, carol);
      scene.expect("all reach each other", true);
    });
    await scene.step("found the network anew", async () => {
      await mesh.control.service.stop();
      const { host } = mesh.control;
      await host.output(["/usr/bin/mv", controlStateDir, `${controlStateDir}.lost`]);
      const argv = ["control", "init", "--url", mesh.control.url, "--listen", "[::]:8443"];
      await scene.type(mesh.control, [...argv, ...plainKeys]);
      await mesh.control.start();
      await mesh.untilReached(alice, bob);
      scene.expect(
        "the nodes do not follow another network",
        (await alice.status()).state === "running",
      );
    });
    await scene.step("move the nodes, one after the other", async () => {
      for (const node of [alice, bob, carol]) {
        const made = await scene.type(mesh.control, ["credential", "create", "--owner", "sam"]);
        const [token] = /rnjoin1\.\S+/.exec(made.stdout) ?? [];
        assert(token !== undefined, "a token was printed");
        mesh.control.tokens.push(token);
        const startedMs = performance.now();
        await scene.type(node, ["logout", "--local"]);
        await scene.type(node, ["up", "--token-file", "-"], { stdin: token });
        const awayMs = Math.round(performance.now() - startedMs);
        scene.measure(`${node.name} without a network`, awayMs, "ms", 30_000);
      }
      await mesh.untilMeshed(alice, bob, carol);
      scene.expect("all reach each other", true);
    });
    await scene.step("give people a say again", async () => {
      const card = await mesh.control.card();
      const cards: string[] = [];
      for (const person of [ann, ben, cleo]) {
        await scene.type(person, [
          "approver",
          "init",
          "--name",
          person.name,
          ...fresh,
          "--plain-keys",
        ]);
        await scene.type(person, ["approver", "network", card, ...fresh]);
        cards.push((await scene.type(person, ["approver", "export", ...fresh])).stdout.trim());
      }
      const protect = ["membership", "protect", ...cards];
      for (;;) {
        const said = await scene.type(mesh.control, protect, { exits: [0, 75] });
        if (said.exitCode === 0) break;
        for (const person of [ann, ben, cleo])
          await scene.type(person, ["membership", "sign", "--all", ...fresh]);
      }
      const { stdout } = await scene.type(mesh.control, ["membership", "status"]);
      scene.expect("two of four decide", stdout.includes("2 of 4"));
    });
  },
};
