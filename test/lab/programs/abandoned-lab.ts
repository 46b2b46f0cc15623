/** abandoned-lab makes a lab, says what is in it, and waits to be killed. For the lab's own tests. */
import { Lab } from "../lab.ts";

const lab = await Lab.open("abandoned");
const wan = await lab.switch("wan", { ipv4: "192.0.2.0/24" });
const host = await lab.host("alice", { on: [wan] });
// One that dies with this process, and one that has left its parent and does not.
const child = await host.spawn(["/usr/bin/sleep", "infinity"]);
await host.output(["/usr/bin/setsid", "--fork", "/usr/bin/sleep", "infinity"]);
console.log(
  JSON.stringify({ id: lab.id, net: host.station.net, mnt: host.station.mnt, child: child.pid }),
);
await Bun.stdin.bytes();
await lab.close();
