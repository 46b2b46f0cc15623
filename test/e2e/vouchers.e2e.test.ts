/** A voucher lets in the machine that it was signed for, once, as what was signed, and by its holder alone. */
import { expect } from "bun:test";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { type Envelope } from "../../src/crypto/envelope.ts";
import { type Membership, nodeIdOf } from "../../src/membership/membership.ts";
import { type Node, Voucher } from "../../src/membership/state.ts";
import { calls } from "../../src/wire/control-api.ts";
import { encodeVoucherToken, parseVoucherToken } from "../../src/wire/voucher-token.ts";
import { ControlUrl } from "../../src/wire/join-token.ts";
import { parseNetworkCard } from "../../src/wire/network-card.ts";
import { controlPort } from "./control-host.ts";
import { readDossier, sealUpdate, submit, updateOfForce, updateUpon } from "./dossiers.ts";
import { HostileControl } from "./hostile-control.ts";
import { slipIn, tell } from "./interview.ts";
import { wordsOf } from "./journal.ts";
import { nowS, payloadOf, random } from "./lies.ts";
import { type Mesh, onMesh } from "./mesh.ts";
import type { NodeHost } from "./node-host.ts";
import { threeWhoDecide } from "./quorum.ts";

/*
 *   control ──┬── alice    (the victim)
 *             ├── dave     (joins by a voucher, with nobody present)
 *             ├── eve      (has a copy of it)
 *             ├── mallory  (a host with the stolen keys)
 *             └── ann, ben, cleo, two of whom decide
 */
const { test } = onMesh("vouchers", {
  nodes: [
    { name: "alice" },
    { name: "dave", at: "daemon" },
    { name: "eve", at: "daemon" },
    { name: "mallory", at: "nothing" },
  ],
});

type VoucherMesh = Mesh<"alice" | "dave" | "eve" | "mallory">;

/** Two people sign a voucher for so many machines with these tags. Returns its token. */
async function issue(mesh: VoucherMesh, tags: readonly string[], uses = 1): Promise<string> {
  const people = await threeWhoDecide(mesh);
  const key = keygen(random);
  const terms = { key: key.publicKey, owner: "sam", tags: [...tags], uses };
  const voucher = v.parse(Voucher, { ...terms, expiresAt: nowS() + 3_600 });
  const { membership } = await readDossier(mesh, people[0]);
  const update = updateUpon(membership, { kind: "add_voucher", voucher });
  const signers = [await people[0].stolenKey(), await people[1].stolenKey()];
  const said = await submit(mesh, sealUpdate(update, signers));
  assert(said.text.includes('"applied"'), said.text);
  const card = parseNetworkCard(await mesh.control.card());
  assert(card !== null, "what was printed is a card");
  return encodeVoucherToken({ card, key });
}

const upWith = (node: NodeHost, stdin: string, ...more: readonly string[]) =>
  node.service.run(["up", "--token-file", "-", ...more], { stdin });

const keyOf = (text: string) => {
  const parsed = parseVoucherToken(text);
  assert(parsed !== null, "what was made is a voucher");
  return parsed.key;
};
let token = "";

test("a machine joins by a voucher with no person present, with owner and tags as signed", async (mesh) => {
  const { alice, dave } = mesh.nodes;
  token = await issue(mesh, ["server"]);
  const said = await upWith(dave, token);
  expect([said.exitCode, wordsOf(said)]).toEqual([0, expect.stringContaining("dave")]);
  expect(await dave.self()).toMatchObject({ owner: "sam", tags: ["server"] });
  await mesh.untilMeshed(alice, dave);
});

test("a voucher is spent: a copy of it lets nobody in", async (mesh) => {
  const said = await upWith(mesh.nodes.eve, token);
  expect([said.exitCode, wordsOf(said)]).toEqual([77, expect.stringContaining("used up")]);
  expect((await mesh.nodes.eve.status()).state).toBe("logged_out");
});

/** What a thief might make of vouchers: one that is spent, and one whose key leaked. */
function redemptions(
  membership: Membership,
  like: Node,
  { spent, leaked }: { readonly spent: SigningSecret; readonly leaked: SigningSecret },
  { control, approver }: HostileControl["loot"],
): readonly (readonly [name: string, finding: string, envelope: Envelope])[] {
  const thief = keygen(random);
  const [key, inForce] = [thief.publicKey, membership.state.vouchers.get(leaked.publicKey)];
  assert(inForce !== undefined, "two people signed it");
  const ipv6 = like.ipv6.replace(/[^:]*$/, "63");
  const node = { ...like, id: nodeIdOf(key), key, name: "thief", ipv4: "100.64.0.99", ipv6 };
  const redeem = (voucher: SigningSecret, tag: string, ...by: readonly SigningSecret[]) =>
    force(
      { kind: "redeem_voucher", voucher: voucher.publicKey, node: { ...node, tags: [tag] } },
      ...by,
    );
  const force = (operation: object, ...by: readonly SigningSecret[]) =>
    sealUpdate(updateOfForce(membership, operation), by);
  const add = { kind: "add_voucher", voucher: { ...inForce, key } };
  return [
    ["by a voucher that is spent", "voucher_unknown", redeem(spent, "server", thief, spent)],
    ["for other tags", "voucher_for_others", redeem(leaked, "admin", thief, leaked)],
    ["without the voucher's key", "voucher_unproven", redeem(leaked, "printer", thief)],
    ["by the control server", "not_an_approver", redeem(leaked, "printer", thief, control)],
    ["a voucher that the server makes", "not_an_approver", force(add, control, approver)],
  ];
}

test("the control server cannot spend a voucher twice, for other tags, or without its key", async (mesh) => {
  const { alice, dave } = mesh.nodes;
  const [ann] = await threeWhoDecide(mesh);
  const keys = { spent: keyOf(token), leaked: keyOf(await issue(mesh, ["printer"], 2)) };
  const { dossier, membership } = await readDossier(mesh, ann);
  const redeemed = dossier.entries.find(({ envelope }) =>
    JSON.stringify(payloadOf(envelope)).includes("redeem_voucher"),
  );
  assert(redeemed !== undefined, "dave's admission is in the log");
  const { network, self } = await alice.status();
  assert(network !== null && self !== null, "alice has joined");
  const us = membership.state.nodes.get(self.node);
  const them = membership.state.nodes.get((await dave.self()).node);
  assert(us !== undefined && them !== undefined, "both are members");
  await mesh.control.service.stop();
  const hostile = await HostileControl.open(mesh);
  const lies = [
    ["the same redemption again", "epoch_mismatch", redeemed.envelope] as const,
    ...redemptions(membership, them, keys, hostile.loot),
  ].map(([name, finding, envelope]) => {
    const entry = () => v.parse(v.any(), { acceptedAt: nowS(), envelope });
    return slipIn({ name, finding }, entry, hostile.loot.control);
  });
  await tell(hostile, alice, us.key, { network, audience: self.node }, lies);
  await hostile.close();
  await mesh.control.start();
  await alice.host.ip("address add 198.51.100.8/32 dev eth0");
  await alice.untilConnected(40_000);
  expect((await mesh.control.nodes()).map(({ node }) => `${node.name}`).sort()).toEqual([
    ...["alice", "dave"],
  ]);
});

test("what was overheard of a join is refused when it is said again, also after the server restarted", async (mesh) => {
  const { eve, mallory } = mesh.nodes;
  const hostile = await HostileControl.open(mesh, mallory.host, mesh.control.url);
  const open = parseVoucherToken(await issue(mesh, ["printer"]));
  assert(open !== null, "what was made is a voucher");
  const url = v.parse(ControlUrl, `https://${mallory.host.ipv4}:${controlPort}`);
  const elsewhere = encodeVoucherToken({ ...open, card: { ...open.card, url } });
  // Both before the first is answered: the second call comes at once after that.
  const overhearing = [calls.voucherHistory.path, calls.voucherRedeem.path].map((path) =>
    hostile.interceptOnce(path, (answer) => answer),
  );
  const joining = upWith(eve, elsewhere, "--no-wait");
  const [asked = "", written = ""] = await Promise.all(overhearing);
  expect((await joining).exitCode).toBe(75);
  const nodes = async () => (await mesh.control.nodes()).length;
  const before = await nodes();
  for (const restarts of [false, true]) {
    if (restarts) {
      await mesh.control.service.kill();
      await mesh.control.start();
    }
    expect(await hostile.send(calls.voucherHistory.path, asked)).toMatchObject({
      ...{ status: 409, body: { code: "replayed" } },
    });
    expect((await hostile.send(calls.voucherRedeem.path, written)).status).toBe(409);
    expect(await nodes()).toBe(before);
  }
  await hostile.close();
  expect((await eve.status()).state).not.toBe("running");
});
