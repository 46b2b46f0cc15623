/** with-control: how a node comes in and goes, against a real control server that decides nothing itself. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import * as v from "valibot";
import { encodeHex } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { sealEnvelope } from "../../src/crypto/envelope.ts";
import { openControlClient } from "../../src/daemon/control-client.ts";
import { localHandlers } from "../../src/daemon/local-api.ts";
import type { Node } from "../../src/daemon/node.ts";
import { nextAddresses } from "../../src/membership/addresses.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import { propose } from "../../src/membership/propose.ts";
import { Node as Member, Voucher } from "../../src/membership/state.ts";
import { type Operation, updateType } from "../../src/membership/update.ts";
import { UpdateId } from "../../src/model/ids.ts";
import { NodeName } from "../../src/model/names.ts";
import { encodeJoinToken } from "../../src/wire/join-token.ts";
import { encodeVoucherToken } from "../../src/wire/voucher-token.ts";
import { waitFor } from "../lab/wait-for.ts";
import { Harness, limitsForTests, random } from "../support/control-harness.ts";
import { unwrap } from "../support/world.ts";
import { emptyHost, nodeIn } from "./stage.ts";
import { openDirectory, openState } from "./world.ts";

let harness: Harness;
let approver: SigningSecret;
let machines: Machine[];

/** A daemon on a host of its own, in the memory of the test. */
class Machine {
  readonly directory = openDirectory();
  node: Node;

  constructor(name: string) {
    this.node = this.#open(name);
  }

  #open(name: string): Node {
    const { clock } = harness;
    const state = openState(this.directory.path);
    return nodeIn(this.directory.path, {
      state,
      host: emptyHost(state.readKeys({ kind: "plain" }).tunnel.publicKey),
      openClient: (target) => openControlClient({ ...target, clock, random }),
      hostName: v.parse(NodeName, name),
      clock,
    });
  }

  up = (token?: string) => localHandlers(this.node).up(token === undefined ? {} : { token });
  status = () => localHandlers(this.node).status({});
}

async function machine(name: string): Promise<Machine> {
  const made = new Machine(name);
  machines.push(made);
  await made.node.start();
  return made;
}

/** The server without its approver key, so that people decide. */
beforeEach(async () => {
  machines = [];
  // Few enough that who were counted would be told to wait.
  const identity = { burst: 3, refillPerMinute: 0.001 };
  harness = await Harness.start({ ...limitsForTests, identity });
  approver = harness.approver;
  await harness.halt();
  harness.keys = { ...harness.keys, approver: null };
  await harness.serve();
});
afterEach(async () => {
  for (const { node, directory } of machines) {
    await node.stop();
    directory[Symbol.dispose]();
  }
  await harness.stop();
});

const network = () => harness.running.control.network;

/** What the approver proposes and signs, brought to the server. */
async function decide(operation: Operation): Promise<void> {
  const id = v.parse(UpdateId, encodeHex(random(16)));
  const terms = { id, createdAt: harness.clock.nowS(), lifetimeS: 600 };
  const update = unwrap(propose(network().membership, operation, terms));
  const envelopes = [sealEnvelope(updateType, update, [approver])];
  await harness.operate("proposalSubmit", { envelopes });
}

function card() {
  const { url, pin, genesisRoot } = harness;
  if (genesisRoot === undefined) throw new Error("the harness founded a network");
  return { url, pin, network: network().state.network, genesis: genesisRoot };
}

/** A voucher that is in the log, and its token. */
async function voucher(terms: Partial<Voucher> = {}): Promise<string> {
  const key = keygen(random);
  const expiresAt = harness.clock.nowS() + 3_600;
  const usual = { owner: "alice", tags: ["farm"], uses: 1, expiresAt };
  const made = v.parse(Voucher, { key: key.publicKey, ...usual, ...terms });
  await decide({ kind: "add_voucher", voucher: made });
  return encodeVoucherToken({ card: card(), key });
}

const refusal = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof Fault ? error.message : error),
  );

const isAdmitted = (each: Machine) => each.node.enrollment !== null;

test("a machine that waits is in once the approver has signed, and hears of it by itself", async () => {
  const token = encodeJoinToken(await harness.token());
  const gamma = await machine("gamma");
  const told = await gamma.up(token);
  expect(told.reason?.message).toBe(
    "waiting for approvers: 1 of 1: nobody signed yet; missing owner",
  );
  expect(told.request?.network).toBe(network().state.network);
  const { identity } = openState(gamma.directory.path).readKeys({ kind: "plain" });
  const addresses = nextAddresses(network().state);
  const record = {
    key: identity.publicKey,
    name: "gamma",
    owner: "alice",
    tags: [],
    status: "active",
  };
  await decide({
    kind: "add_node",
    node: v.parse(Member, { id: nodeIdOf(identity.publicKey), ...record, ...addresses }),
  });
  await waitFor("the admission", () => isAdmitted(gamma));
});

test("who asks again with its own secret is not counted as one that guesses", async () => {
  const token = encodeJoinToken(await harness.token());
  const gamma = await machine("gamma");
  for (let i = 0; i < 5; i++) expect((await gamma.up(token)).state).toBe("waiting");
});

test("a machine that is turned down hears the approver's reason", async () => {
  const gamma = await machine("gamma");
  await gamma.up(encodeJoinToken(await harness.token()));
  const [request] = (await harness.operate("membershipShow", {})).requests;
  if (request === undefined) throw new Error("nobody asks");
  const { identity } = openState(gamma.directory.path).readKeys({ kind: "plain" });
  const node = nodeIdOf(identity.publicKey);
  await harness.operate("requestReject", { node, reason: "not ours" });
  await waitFor("the verdict", async () => (await gamma.status()).state === "logged_out");
  expect((await gamma.status()).reason?.message).toContain("not ours");
});

test("a voucher lets as many machines in as it has uses, with its owner and tags, and no more", async () => {
  const token = await voucher({ uses: 2 });
  const [first, second, third] = [await machine("same"), await machine("same"), await machine("x")];
  await Promise.all([first.up(token), second.up(token)]);
  const names = [...network().state.nodes.values()].map(({ name }) => name).sort();
  expect(names).toEqual(["same", "same-2"] as never);
  for (const { owner, tags } of network().state.nodes.values())
    expect({ owner, tags }).toEqual({ owner: "alice", tags: ["farm"] } as never);
  expect(network().state.vouchers.size).toBe(0);
  expect(await refusal(third.up(token))).toBe("this voucher is used up, or was taken back");
  expect(isAdmitted(third)).toBe(false);
});

test("a lost answer is no loss: the same machine with the same voucher is in", async () => {
  const token = await voucher();
  const gamma = await machine("gamma");
  await gamma.up(token);
  const epoch = network().state.epoch;
  const state = openState(gamma.directory.path);
  await gamma.node.stop();
  // As if the daemon had been killed before it could keep the answer.
  for (const name of readdirSync(gamma.directory.path))
    if (!name.endsWith(".key")) await Bun.file(`${gamma.directory.path}/${name}`).delete();
  expect(state.readEnrollment()).toBeNull();
  const again = new Machine("gamma");
  machines.push(again);
  for (const key of ["identity.key", "tunnel.key"])
    await Bun.write(
      Bun.file(`${again.directory.path}/${key}`),
      Bun.file(`${gamma.directory.path}/${key}`),
      { mode: 0o600 },
    );
  await again.node.start();
  await again.up(token);
  expect(isAdmitted(again)).toBe(true);
  expect(network().state.epoch).toBe(epoch);
});

test("a voucher that ran out, was taken back or is for another network is refused in words", async () => {
  const gamma = await machine("gamma");
  const expired = await voucher({ expiresAt: harness.clock.nowS() - 1 });
  expect(await refusal(gamma.up(expired))).toMatch(/^this voucher expired at 20/);
  const taken = await voucher();
  const [key] = [...network().state.vouchers.values()].slice(-1).map((each) => each.key);
  for (const each of [...network().state.vouchers.values()])
    await decide({ kind: "revoke_voucher", key: each.key });
  expect(key).toBeDefined();
  expect(await refusal(gamma.up(taken))).toBe("this voucher is used up, or was taken back");
  const stranger = encodeVoucherToken({ card: card(), key: keygen(random) });
  expect(await refusal(gamma.up(stranger))).toBe("this voucher is none of this network");
  const other = { ...card(), network: "00".repeat(16) as never };
  expect(await refusal(gamma.up(encodeVoucherToken({ card: other, key: keygen(random) })))).toBe(
    "the voucher is for another network",
  );
  expect(isAdmitted(gamma)).toBe(false);
});

test("a node leaves by its own word where the server may not decide", async () => {
  const gamma = await machine("gamma");
  await gamma.up(await voucher());
  const id = gamma.node.enrollment?.node;
  if (id === undefined) throw new Error("it is in");
  await waitFor("a map", async () => (await gamma.status()).trust?.epoch === network().state.epoch);
  // The log moves on, as far as this node does not know yet.
  await voucher();
  await gamma.node.logout("everywhere");
  expect(network().state.nodes.get(id)?.status).toBe("revoked");
  expect(readdirSync(gamma.directory.path)).toEqual([]);
});
