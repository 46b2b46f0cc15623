/** open-shell makes a mesh in the guest, says who is in it, and gives its person a shell until they leave. */
import { mkdirSync } from "node:fs";
import { Mesh } from "../../e2e/mesh.ts";
import { resultsFolder } from "../plan.ts";

console.log("Making a mesh of a control server and two nodes ...");
const mesh = await Mesh.open("shell", {
  nodes: [{ name: "alice" }, { name: "bob" }],
});
const { alice, bob } = mesh.nodes;
await mesh.untilMeshed(alice, bob);
mkdirSync("/run/mesh");
for (const { host } of [mesh.control, alice, bob])
  await Bun.write(`/run/mesh/${host.name}`, String(host.station.holderPid));
console.log(`
${mesh.lab.describe()}

  on alice rustynet status      runs a program on a host of the mesh
  on bob                        a shell there
  ${resultsFolder}                      what is left in it comes out to artifacts/vm/results/
  exit                          ends the mesh and powers the machine off
`);
const shell = Bun.spawn(["/usr/bin/setsid", "--ctty", "--wait", "/bin/bash", "--norc"], {
  cwd: "/root",
  env: {
    ...{ PATH: process.env["PATH"] ?? "", HOME: "/root", TERM: process.env["TERM"] ?? "linux" },
    PS1: "guest# ",
  },
  stdio: ["inherit", "inherit", "inherit"],
});
await shell.exited;
await mesh.close();
