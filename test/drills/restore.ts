/** restore: control server and node come back from backups, and say so when a backup is not what it should be. */
import { assert } from "../../src/base/assert.ts";
import { findingsOf } from "../e2e/interview.ts";
import { controlStateDir } from "../e2e/control-host.ts";
import { nodeStateDir } from "../e2e/node-host.ts";
import { decideTogether } from "../e2e/quorum.ts";
import type { Host } from "../lab/host.ts";
import type { Drill } from "./scene.ts";

const copy = async (host: Host, from: string, to: string): Promise<void> => {
  await host.output(["/usr/bin/rm", "-rf", to]);
  await host.output(["/usr/bin/cp", "-a", from, to]);
};

/** Into a directory that may be a mount of its own. */
const replace = async (host: Host, from: string, to: string): Promise<void> => {
  await host.output(["/usr/bin/find", to, "-mindepth", "1", "-delete"]);
  await host.output(["/usr/bin/cp", "-a", `${from}/.`, to]);
};

const serverBackup = "/var/lib/backup-server";
const nodeBackup = "/var/lib/backup-node";

export const restore: Drill = {
  name: "restore",
  runbook: "docs/operations/restore.md",
  about: "A control server and a node are restored from backups: of now, of before, and damaged.",
  run: async (scene) => {
    const { mesh, people } = scene;
    const { alice, bob } = mesh.nodes;
    const [ann, ben, cleo] = people;
    const { control } = mesh;
    await mesh.untilMeshed(alice, bob);
    const backUp = async (): Promise<void> => {
      await control.service.stop();
      await copy(control.host, controlStateDir, serverBackup);
      await control.start();
    };
    await scene.step("restore the control server from a backup of now", async () => {
      await backUp();
      await control.service.kill();
      await control.host.output(["/usr/bin/rm", "-r", controlStateDir]);
      await copy(control.host, serverBackup, controlStateDir);
      await control.start();
      await scene.type(control, ["audit"]);
      const verified = await scene.type(ann, ["membership", "verify-log"]);
      scene.expect("an approver's machine believes it", verified.exitCode === 0);
      await Promise.all([alice, bob].map((node) => node.untilConnected(60_000)));
      await mesh.untilMeshed(alice, bob);
    });
    await scene.step("a backup of before is told apart", async () => {
      await backUp();
      await decideTogether(people, "rename-node", "carol", "caroline");
      await cleo.status();
      const { epoch } = await ann.status();
      await alice.until("to follow", ({ trust }) => trust?.epoch === epoch);
      await control.service.stop();
      await copy(control.host, controlStateDir, "/var/lib/present");
      await copy(control.host, serverBackup, controlStateDir);
      await control.start();
      await scene.type(cleo, ["membership", "verify-log"], { exits: [65] });
      const seen = await alice.until(
        "to refuse the older log",
        (one) => findingsOf(one).includes("map_rejected"),
        60_000,
      );
      scene.expect("the node keeps what it verified", seen.trust?.epoch === epoch);
      const status = await scene.type(alice, ["status"]);
      scene.expect("status says what it saw", status.stdout.includes("backup"));
      await mesh.untilReached(alice, bob);
    });
    await scene.step("the newest backup mends it", async () => {
      await control.service.stop();
      await copy(control.host, "/var/lib/present", controlStateDir);
      await control.start();
      await scene.type(cleo, ["membership", "verify-log"]);
      for (const node of [alice, bob]) await node.host.ip("address add 198.51.100.9/32 dev eth0");
      await alice.untilConnected(60_000);
      scene.expect(
        "no finding is left",
        !findingsOf(await alice.status()).includes("map_rejected"),
      );
    });
    await scene.step("a node's damaged log is never read as valid", async () => {
      await bob.service.stop();
      await copy(bob.host, nodeStateDir, nodeBackup);
      await bob.host.output(["/usr/bin/truncate", "-s", "-7", `${nodeStateDir}/membership.log`]);
      await bob.start();
      const { reason } = await bob.untilState("restricted");
      const status = await scene.type(bob, ["status"], { exits: [65] });
      scene.expect("it says what to do", status.stdout.includes("restore the whole directory"));
      scene.expect("the code is store_corrupt", reason?.code === "store_corrupt");
    });
    await scene.step("restore the node's directory", async () => {
      await decideTogether([ann, ben], "rename-node", "caroline", "carol");
      await bob.service.stop();
      await replace(bob.host, nodeBackup, nodeStateDir);
      await bob.start();
      await bob.untilConnected(60_000);
      const { epoch } = await ann.status();
      await bob.until("to catch up", ({ trust }) => trust?.epoch === epoch);
      await scene.type(bob, ["status"]);
      await mesh.untilMeshed(alice, bob);
      scene.expect("it has caught up", true);
    });
    await scene.step("without a backup, join anew", async () => {
      await bob.service.stop();
      await bob.host.output(["/usr/bin/truncate", "-s", "-7", `${nodeStateDir}/membership.log`]);
      await bob.start();
      await bob.untilState("restricted");
      await scene.type(bob, ["logout", "--local"]);
      await scene.type(ann, ["membership", "propose", "revoke-node", "bob"]);
      await scene.type(ben, ["membership", "sign", "--all"]);
      const made = await scene.type(control, ["credential", "create", "--owner", "sam"]);
      const [token] = /rnjoin1\.\S+/.exec(made.stdout) ?? [];
      assert(token !== undefined, "a token was printed");
      control.tokens.push(token);
      const up = ["up", "--token-file", "-", "--no-wait"];
      await scene.type(bob, up, { exits: [75], stdin: token });
      await scene.type(ann, ["membership", "sign", "--all"]);
      await scene.type(ben, ["membership", "sign", "--all"]);
      await bob.untilState("running");
      await mesh.untilMeshed(alice, bob);
      scene.expect("it is back under another identity", (await bob.status()).state === "running");
    });
  },
};
