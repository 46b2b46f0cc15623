/** The very bytes that are signed and hashed, and what they hash to. Nothing here may ever change. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import * as v from "valibot";
import { decodeBase64, decodeUtf8, encodeHex } from "../../src/base/bytes.ts";
import { encodeCanonical } from "../../src/crypto/canonical.ts";
import { preAuthEncoding } from "../../src/crypto/envelope.ts";
import { hashOf } from "../../src/crypto/hash.ts";
import { ipv6RangeOf } from "../../src/membership/addresses.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import { takeSnapshot } from "../../src/membership/snapshot.ts";
import { genesisType, Operation, updateType } from "../../src/membership/update.ts";
import { approverOf, idOf, Ledger, network, signerOf, voucherOf } from "../support/world.ts";

const ledger = new Ledger().admit("web", { tags: ["prod", "www"] });
const payloadOf = (text: string | undefined): string | null =>
  decodeUtf8(decodeBase64(text ?? "") ?? new Uint8Array());
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

// Keys of an object are in the order of their letters; there are no blanks (RFC 8785).
const ranges =
  '"ranges":{' +
  // The prefix of all IPv4 addresses: the default.
  '"ipv4":"100.64.0.0/10",' +
  // fd, and the first 40 bits of H("rustynet/ula/v1", network id).
  '"ipv6":"fd75:7f19:6437::/48"}';

const approvers =
  '"approvers":[{' +
  // Ed25519, 32 bytes in hex.
  '"key":"6f0ff4be9386a36f83e2d3c1b185f1a5851821394b36b7012ec98dd3a1449854",' +
  '"name":"approver","role":"owner","status":"active"}]';

const authorities =
  // The keys that may sign maps, ascending.
  '"control":["89fe638a7db5e0394005c2ecda7f4ac49c236f4560de14352ea938d41675dde2"],';

const networkField =
  // 128 random bits.
  '"network":"594fb437c334e3a59b99695ebbcc2890",';

const genesis =
  `{${approvers},` +
  authorities +
  networkField +
  // The built-in rule: nodes of one owner reach each other.
  '"policy":{"kind":"same_owner"},' +
  `${ranges},` +
  '"relays":[],' +
  // How many approvers an update needs.
  '"threshold":1,' +
  // Of the schema of states.
  '"version":1}';

const node =
  '{"id":' +
  // SHA-256 of "rustynet/node-id/v1", a zero byte, and the 32 bytes of the key.
  '"d1ee18059c9aa69393641b820e57e19c6a2278a2fc4d54a92014c64eaa227b5e",' +
  // The first address of the range that may be a host's.
  '"ipv4":"100.64.0.1",' +
  // The same, in the last 32 bits.
  '"ipv6":"fd75:7f19:6437::6440:1",' +
  // The identity key, Ed25519.
  '"key":"ef7e3a2e67d22df2177854163210214e04b8d1e43674d9ef1a0f951773b8e95c",' +
  '"name":"web","owner":"alice","status":"active",' +
  // Ascending, none twice.
  '"tags":["prod","www"]}';

const rootAtGenesis = "a07a2568ba2939c470d7e15742fd0e18cc2fd186fe70f6a376dbdbf84ab24b9e";
const rootWithWeb = "4e2475b04b3745780a1161d4d5cad8f59e59d4af126163b032ec699af22c0191";

const update =
  '{"createdAt":1789999900,' +
  // The epoch that it leads to.
  '"epoch":1,' +
  '"expiresAt":1790003500,' +
  // 128 random bits.
  '"id":"e5cf45537a5a848c027e6bc8967442cd",' +
  networkField +
  `"operation":{"kind":"add_node","node":${node}},` +
  // The root of the state that it changes, and of the one that it makes.
  `"parent":"${rootAtGenesis}","root":"${rootWithWeb}"}`;

/** What the state root is a hash of: genesis, with the epoch and the tree of nodes. */
const summary = (epoch: number, nodes: string): string =>
  `{${approvers},${authorities}"epoch":${epoch},${networkField}"nodes":"${nodes}",` +
  `"policy":{"kind":"same_owner"},${ranges},"relays":[],"threshold":1,"version":1}`;

test("a genesis statement is these bytes", () => {
  expect(payloadOf(ledger.genesis.payload)).toBe(genesis);
});

test("an update is these bytes", () => {
  expect(payloadOf(ledger.entries[0]?.envelope.payload)).toBe(update);
});

test("a node's record is these bytes", () => {
  const record = ledger.membership.state.nodes.get(idOf("web"));
  expect(decodeUtf8(encodeCanonical(record ?? {}))).toBe(node);
});

test("the root of a state without nodes hashes 32 zero bytes for the tree", () => {
  expect(ledger.genesisRoot as string).toBe(rootAtGenesis);
  const text = summary(0, "00".repeat(32));
  expect(sha256(`rustynet/membership-state/v1\0${text}`)).toBe(rootAtGenesis);
});

test("the root of a state with one node hashes its record for the tree", () => {
  expect(ledger.membership.root as string).toBe(rootWithWeb);
  const tree = sha256(`rustynet/membership-node/v1\0${node}`);
  expect(sha256(`rustynet/membership-state/v1\0${summary(1, tree)}`)).toBe(rootWithWeb);
});

test("what is signed is the type and the payload, each with its length", () => {
  const payload = new TextEncoder().encode(update);
  const signed = new TextDecoder().decode(preAuthEncoding(updateType, payload));
  const type = "application/vnd.rustynet.membership-update.v1+json";
  expect(signed).toBe(`DSSEv1 50 ${type} ${payload.length} ${update}`);
  expect(genesisType).toBe("application/vnd.rustynet.membership-genesis.v1+json");
});

test("the signature of that update is this one: Ed25519 has one for each key and message", () => {
  expect(ledger.entries[0]?.envelope.signatures).toEqual([
    {
      keyid: signerOf("approver").publicKey,
      sig: "Wumulj7RDSH582FYapuI8V5W5F2tQmsJ0sljNZp7DlJBAZHkFSHYiP60rJo/lS7hzf2kzWO/fR0gut8+lMo5Ag==",
    },
  ]);
});

test("a node's id hashes its key under the domain of node ids", () => {
  const { publicKey } = signerOf("web");
  const id = createHash("sha256").update("rustynet/node-id/v1\0").update(publicKey, "hex");
  expect(nodeIdOf(publicKey) as string).toBe(id.digest("hex"));
});

test("the IPv6 range begins with 40 bits of the network's hash", () => {
  const hash = encodeHex(hashOf("rustynet/ula/v1", Uint8Array.fromHex(network)));
  const [a, b, c] = [hash.slice(0, 2), hash.slice(2, 6), hash.slice(6, 10)];
  expect(ipv6RangeOf(network) as string).toBe(`fd${a}:${b}:${c}::/48`);
});

test("once a key was given up, the root hashes the tree of such keys too", () => {
  const key = signerOf("web-2").publicKey;
  const { state, root } = new Ledger()
    .admit("web", { tags: ["prod", "www"] })
    .decide({ kind: "rotate_node_key", node: idOf("web"), key }).membership;
  const record = node.replace(signerOf("web").publicKey, key);
  const tree = sha256(`rustynet/membership-node/v1\0${record}`);
  const leaf = createHash("sha256").update("rustynet/retired-key/v1\0");
  const retired = leaf.update(signerOf("web").publicKey, "hex").digest("hex");
  const text = summary(2, tree).replace('"threshold"', `"retired":"${retired}","threshold"`);
  expect(root as string).toBe(sha256(`rustynet/membership-state/v1\0${text}`));
  expect(root as string).toBe("7015fbfc4ad98417d714027db54f9b2e15877d8a7fcdba669b3463927a79afd8");
  expect(state.nodes.get(idOf("web"))?.key).toBe(key);
});

const signed = new Ledger();
const other = signerOf("other").publicKey;
const voucher = voucherOf("other", { tags: ["prod"] });
const voucherBytes =
  // Until when it may be redeemed, by the control server's word for when it took the update in.
  '{"expiresAt":1790003600,' +
  // Ed25519: who holds its secret may redeem it.
  '"key":"8c7038ecb4cadd1699f5f75d17132ed644247e33df0c6df9dd03d709bd6a5fed",' +
  '"owner":"alice","tags":["prod"],' +
  // How many more may join by it.
  '"uses":2}';

test("once there is a voucher, the root hashes the tree of vouchers too", () => {
  const { root } = new Ledger().decide({ kind: "add_voucher", voucher }).membership;
  const leaf = sha256(`rustynet/voucher/v1\0${voucherBytes}`);
  const bare = summary(1, "00".repeat(32));
  const text = bare.replace('"version":1}', `"version":1,"vouchers":"${leaf}"}`);
  expect(root as string).toBe(sha256(`rustynet/membership-state/v1\0${text}`));
  expect(root as string).toBe("dffcd8ee46a9ec9b544ebf0a84bb814de430a1278c1049a408e2dd6f73c751fc");
});

test("a checkpoint leads to the root of the same state, one epoch later", () => {
  const { root } = new Ledger().decide({ kind: "checkpoint" }).membership;
  expect(root as string).toBe(
    sha256(`rustynet/membership-state/v1\0${summary(1, "00".repeat(32))}`),
  );
  expect(root as string).toBe("789184af5a9c6b31048c5974a76ccf7f39baebe4694aad47baf68ff000045ee8");
});

test("a state in a snapshot is these fields, and each record as it is signed", () => {
  const { membership } = new Ledger()
    .admit("web", { tags: ["prod", "www"] })
    .decide({ kind: "add_voucher", voucher })
    .decide({ kind: "checkpoint" });
  const snapshot = takeSnapshot(membership);
  expect(decodeUtf8(encodeCanonical(snapshot?.state ?? {}))).toBe(
    `{${approvers},${authorities}"epoch":3,${networkField}"nodes":[${node}],` +
      `"policy":{"kind":"same_owner"},${ranges},"relays":[],"retired":[],"threshold":1,"version":1,` +
      `"vouchers":[${voucherBytes}]}`,
  );
  expect(snapshot?.authority).toEqual([]);
});

test("what stands beside a change of who may sign hashes the trees of the state before it", () => {
  const { key, name, role } = approverOf("carol");
  const { membership } = new Ledger()
    .admit("web", { tags: ["prod", "www"] })
    .decide({ kind: "add_voucher", voucher })
    .decide({ kind: "add_approver", approver: { key, name, role } }, { by: ["approver", "carol"] });
  const tree = sha256(`rustynet/membership-node/v1\0${node}`);
  const leaf = sha256(`rustynet/voucher/v1\0${voucherBytes}`);
  expect(decodeUtf8(encodeCanonical(membership.authority[0]?.rest ?? {}))).toBe(
    `{${authorities}"nodes":"${tree}","policy":{"kind":"same_owner"},"relays":[],"vouchers":"${leaf}"}`,
  );
});
const person = '"name":"carol","role":"guardian"';
const operations = [
  [{ kind: "remove_node", node: idOf("web") }, `{"kind":"remove_node","node":"${idOf("web")}"}`],
  [{ kind: "restore_node", node: idOf("web") }, `{"kind":"restore_node","node":"${idOf("web")}"}`],
  [
    { kind: "quarantine_node", node: idOf("web") },
    `{"kind":"quarantine_node","node":"${idOf("web")}"}`,
  ],
  [
    { kind: "retag_node", node: idOf("web"), tags: ["prod"] },
    `{"kind":"retag_node","node":"${idOf("web")}","tags":["prod"]}`,
  ],
  [
    { kind: "reown_node", node: idOf("web"), owner: "bob" },
    `{"kind":"reown_node","node":"${idOf("web")}","owner":"bob"}`,
  ],
  [
    { kind: "rotate_node_key", node: idOf("web"), key: other },
    `{"key":"${other}","kind":"rotate_node_key","node":"${idOf("web")}"}`,
  ],
  [
    { kind: "add_approver", approver: { key: other, name: "carol", role: "guardian" } },
    `{"approver":{"key":"${other}",${person}},"kind":"add_approver"}`,
  ],
  [
    { kind: "rotate_approver", approver: signerOf("approver").publicKey, key: other },
    `{"approver":"${signerOf("approver").publicKey}","key":"${other}","kind":"rotate_approver"}`,
  ],
  [
    { kind: "revoke_approver", approver: other },
    `{"approver":"${other}","kind":"revoke_approver"}`,
  ],
  [{ kind: "set_threshold", threshold: 2 }, '{"kind":"set_threshold","threshold":2}'],
  [{ kind: "add_control_key", key: other }, `{"key":"${other}","kind":"add_control_key"}`],
  [{ kind: "revoke_control_key", key: other }, `{"key":"${other}","kind":"revoke_control_key"}`],
  [{ kind: "add_relay_key", key: other }, `{"key":"${other}","kind":"add_relay_key"}`],
  [{ kind: "revoke_relay_key", key: other }, `{"key":"${other}","kind":"revoke_relay_key"}`],
  [
    { kind: "pin_policy", policy: { kind: "document", hash: "ab".repeat(32) } },
    `{"kind":"pin_policy","policy":{"hash":"${"ab".repeat(32)}","kind":"document"}}`,
  ],
  [{ kind: "add_voucher", voucher }, `{"kind":"add_voucher","voucher":${voucherBytes}}`],
  [{ kind: "revoke_voucher", key: other }, `{"key":"${other}","kind":"revoke_voucher"}`],
  [
    { kind: "redeem_voucher", voucher: other, node: JSON.parse(node) as unknown },
    `{"kind":"redeem_voucher","node":${node},"voucher":"${other}"}`,
  ],
  [{ kind: "checkpoint" }, '{"kind":"checkpoint"}'],
] as const;

const spelled = operations.map(([operation, bytes]) => [operation.kind, operation, bytes] as const);

test.each(spelled)("%s is signed as these bytes", (_kind, operation, bytes) => {
  const entry = signed.draft(v.parse(Operation, operation));
  expect(payloadOf(entry.envelope.payload)).toContain(`"operation":${bytes},`);
});
