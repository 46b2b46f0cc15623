/** A token lets in whom it was made for, once, and only through the server that it names. */
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { exitCode, type FaultCode, faultClass } from "../../src/base/fault.ts";
import { NetworkId, StateRoot } from "../../src/model/ids.ts";
import { calls, Refusal } from "../../src/wire/control-api.ts";
import {
  ControlUrl,
  encodeJoinToken,
  type JoinToken,
  parseJoinToken,
} from "../../src/wire/join-token.ts";
import type { Finished, LabProcess } from "../lab/lab-process.ts";
import { waitFor } from "../lab/wait-for.ts";
import { controlPort } from "./control-host.ts";
import { stolenKey } from "./hostile-control.ts";
import { type Mesh, meshTest, onMesh } from "./mesh.ts";
import type { NodeHost } from "./node-host.ts";

const openssl = "/usr/bin/openssl";

const refusalOf = ({ stdout }: Finished): Refusal => v.parse(Refusal, JSON.parse(stdout));

function tokenOf(text: string): JoinToken {
  const token = parseJoinToken(text);
  assert(token !== null, "what was printed is a token");
  return token;
}

const upWith = (node: NodeHost, token: string): Promise<Finished> =>
  node.service.run(["up", "--token-file", "-", "--json"], { stdin: token });

/** Refused, in words that programs know, and nothing of the network is on the host. */
async function expectRefused(node: NodeHost, token: string, code: FaultCode): Promise<void> {
  const before = await node.network();
  const finished = await upWith(node, token);
  expect(refusalOf(finished).code).toBe(code);
  expect(finished.exitCode).toBe(exitCode[faultClass[code]]);
  expect((await node.status()).state).toBe("logged_out");
  expect(await node.network()).toBe(before);
}

const crowd = Array.from({ length: 20 }, (_, i) => `guest${i + 1}`);

/*
 *   control ──┬── guest1
 *             ├── …
 *             └── guest20
 */
meshTest(
  "of twenty who use one token at the same time one gets in",
  { nodes: crowd.map((name) => ({ name, at: "daemon" })) },
  async (mesh) => {
    const token = await mesh.control.token();
    const guests: NodeHost[] = Object.values(mesh.nodes);
    const outcomes = await Promise.all(guests.map((guest) => upWith(guest, token)));
    const codes = outcomes.map((outcome) =>
      outcome.exitCode === 0 ? "in" : refusalOf(outcome).code,
    );
    expect(codes.filter((code) => code === "in").length).toBe(1);
    expect(codes.filter((code) => code === "credential_invalid").length).toBe(19);
    expect((await mesh.control.nodes()).length).toBe(1);
    expect((await mesh.control.credentials()).map(({ state, uses }) => [state, uses])).toEqual([
      ["used", 1],
    ]);
  },
);

/*
 *   control ──┬── alice        (a member)
 *             ├── bob          (wants in, and is refused)
 *             ├── carol        (wants in)
 *             └── impostor     (a host without the product)
 */
const { test } = onMesh("joining", {
  nodes: [
    { name: "alice" },
    { name: "bob", at: "daemon" },
    { name: "carol", at: "daemon" },
    { name: "impostor", at: "nothing" },
  ],
});
type JoiningMesh = Mesh<"alice" | "bob" | "carol" | "impostor">;

test("a token that has expired is refused", async (mesh) => {
  const token = await mesh.control.token({ lifetime: "1s" });
  await waitFor("the token to expire", async () =>
    (await mesh.control.credentials()).some(({ state }) => state === "expired"),
  );
  await expectRefused(mesh.nodes.bob, token, "credential_invalid");
});

test("a token that was revoked is refused", async (mesh) => {
  const token = await mesh.control.token();
  const [last] = (await mesh.control.credentials()).filter(({ state }) => state === "created");
  assert(last !== undefined, "it is listed");
  const { credential } = await mesh.control.operator(
    calls.credentialRevoke.output,
    ...["credential", "revoke", last.id],
  );
  expect(credential.state).toBe("revoked");
  await expectRefused(mesh.nodes.bob, token, "credential_invalid");
});

test("a token for another network is refused, by the server and by the node", async (mesh) => {
  const token = tokenOf(await mesh.control.token());
  const network = v.parse(NetworkId, "0".repeat(32));
  await expectRefused(mesh.nodes.bob, encodeJoinToken({ ...token, network }), "network_mismatch");
  // A server that goes by the network's name, and whose log begins otherwise.
  const genesis = v.parse(StateRoot, "0".repeat(64));
  await expectRefused(
    mesh.nodes.bob,
    encodeJoinToken({ ...token, genesis }),
    "membership_rejected",
  );
});

test("what is no token is refused before anybody is asked", async (mesh) => {
  const token = await mesh.control.token();
  const garbage = ["hello", token.slice(0, -5), `${token}A`, token.replace("rnjoin1", "rnjoin2")];
  const capture = await mesh.wan.capture({
    filter: `tcp port ${controlPort} and host ${mesh.nodes.bob.host.ipv4}`,
  });
  for (const text of garbage) await expectRefused(mesh.nodes.bob, text, "credential_invalid");
  expect((await capture.stop()).of("tcp")).toEqual([]);
});

type Version = "TLSv1.2" | "TLSv1.3";

/** A TLS server that is not the product's, and tells all that it is sent after the handshake. */
async function listenIn(
  mesh: JoiningMesh,
  certificate: string,
  key: string,
  version: Version,
): Promise<{ url: JoinToken["url"]; process: LabProcess }> {
  const { host } = mesh.nodes.impostor;
  const program = join(import.meta.dir, "programs/tls-ear.ts");
  const args = [String(controlPort), certificate, key, version];
  const process = await host.spawn([globalThis.process.execPath, program, ...args]);
  await process.waitForLine('"listening"');
  return { url: v.parse(ControlUrl, `https://${host.ipv4}:${controlPort}`), process };
}

/** The key and certificate of the true server, in files. */
async function stealTls({ lab, control }: JoiningMesh): Promise<[string, string]> {
  const [certificate, key] = [join(lab.folder, "stolen.crt"), join(lab.folder, "stolen.key")];
  writeFileSync(certificate, await control.stolen("tls.crt"));
  writeFileSync(key, stolenKey(control, "tls"));
  return [certificate, key];
}

async function makeTls({ lab, nodes }: JoiningMesh): Promise<[string, string]> {
  const [certificate, key] = [join(lab.folder, "other.crt"), join(lab.folder, "other.key")];
  await nodes.impostor.host.output([
    ...[openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", key, "-out", certificate, "-subj", "/CN=rustynet-control", "-days", "9"],
  ]);
  return [certificate, key];
}

test("a server with another key is refused, and told nothing", async (mesh) => {
  const token = tokenOf(await mesh.control.token());
  const ear = await listenIn(mesh, ...(await makeTls(mesh)), "TLSv1.3");
  const strange = encodeJoinToken({ ...token, url: ear.url });
  await expectRefused(mesh.nodes.bob, strange, "pin_mismatch");
  const heard = (await ear.process.stop()).stdout;
  expect(heard).toContain('"connection"');
  expect(heard).not.toContain('"heard"');
});

test("a server with the right key is told something, if the ear hears at all", async (mesh) => {
  const token = tokenOf(await mesh.control.token());
  const ear = await listenIn(mesh, ...(await stealTls(mesh)), "TLSv1.3");
  const joining = upWith(mesh.nodes.bob, encodeJoinToken({ ...token, url: ear.url }));
  await ear.process.waitForLine("/v1/enroll");
  await ear.process.stop();
  expect((await joining).exitCode).not.toBe(0);
});

test("TLS 1.2 is refused by the server", async (mesh) => {
  const { host } = mesh.nodes.bob;
  const address = `${mesh.control.host.ipv4}:${controlPort}`;
  const connect = [openssl, "s_client", "-connect", address];
  const older = await host.run([...connect, "-tls1_2"], { stdin: "" });
  expect(older.exitCode).not.toBe(0);
  expect(older.stderr).toContain("protocol version");
  const newer = await host.run([...connect, "-tls1_3"], { stdin: "" });
  expect(newer.exitCode).toBe(0);
  expect(newer.stdout).toContain("TLSv1.3");
});

test("a server that has the right key and speaks TLS 1.2 is refused, and told nothing", async (mesh) => {
  const token = tokenOf(await mesh.control.token());
  const ear = await listenIn(mesh, ...(await stealTls(mesh)), "TLSv1.2");
  await expectRefused(mesh.nodes.bob, encodeJoinToken({ ...token, url: ear.url }), "unavailable");
  const heard = (await ear.process.stop()).stdout;
  expect(heard).toContain('"connection"');
  expect(heard).not.toContain('"heard"');
});

test("a name that somebody has gets a number", async (mesh) => {
  const { alice, carol } = mesh.nodes;
  await carol.up(await mesh.control.token(), "--name", "alice");
  expect(`${(await carol.self()).name}`).toBe("alice-2");
  await mesh.untilMeshed(alice, carol);
});

test("a member that is given a token again stays who it is", async (mesh) => {
  const { carol } = mesh.nodes;
  const before = await carol.self();
  await carol.up(await mesh.control.token());
  expect(await carol.self()).toEqual(before);
  const [unused] = (await mesh.control.credentials()).filter(({ state }) => state === "created");
  expect(unused).toBeDefined();
});
