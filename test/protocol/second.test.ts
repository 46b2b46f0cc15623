/**
 * A second implementation, written from docs/protocol.md alone, agrees with the vectors and with a
 * control server that runs. What it does not accept, the document does not say.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { Glob } from "bun";
import { Harness } from "../support/control-harness.ts";
import { waitFor } from "../lab/wait-for.ts";
import { openView, receive, type View } from "./map.ts";
import { append, found } from "./membership.ts";
import { restore } from "./snapshot.ts";
import { rootOf, type State } from "./state.ts";
import {
  bytesOf,
  fields,
  fromBase64,
  hash,
  hex64,
  isSignature,
  list,
  openEnvelope,
  parseStatement,
  spell,
  text,
} from "./text.ts";
import { id128 } from "./types.ts";

const home = `${import.meta.dir}/../vectors`;
type Vector = {
  readonly expect?: string;
  readonly genesis?: unknown;
  readonly genesisRoot: string;
  readonly now: number;
  readonly entries?: readonly unknown[];
  readonly roots: readonly string[];
  readonly refused?: unknown;
  readonly snapshot?: unknown;
  readonly area: string;
  readonly text: string;
  readonly key: string;
  readonly message: string;
  readonly signature: string;
  readonly envelope: unknown;
  readonly payloadType: string;
};

async function vectors(folder: string): Promise<readonly (readonly [string, Vector])[]> {
  const files = [...new Glob("*.json").scanSync(`${home}/${folder}`)].sort();
  return await Promise.all(
    files.map(async (file) => {
      const vector: Vector = await Bun.file(`${home}/${folder}/${file}`).json();
      return [file.replace(".json", "").replaceAll("-", " "), vector] as const;
    }),
  );
}

function accepts(attempt: () => unknown): boolean {
  try {
    return attempt() !== false;
  } catch {
    return false;
  }
}

const last = <T>(items: readonly T[]): T => {
  const item = items.at(-1);
  if (item === undefined) throw new Error("nothing there");
  return item;
};

function replay({ genesis, genesisRoot, entries = [], now }: Vector): State[] {
  const states = [found(genesis, genesisRoot)];
  for (const entry of entries) states.push(append(last(states), entry, now));
  return states;
}

test.each(await vectors("membership/valid"))("%s is accepted", (_, vector) => {
  expect(replay(vector).length).toBe(vector.roots.length);
});

test.each(await vectors("membership/invalid"))("%s is refused", (_, vector) => {
  const { refused, genesis, genesisRoot, now } = vector;
  if (refused === undefined) return expect(accepts(() => found(genesis, genesisRoot))).toBe(false);
  const state = last(replay(vector));
  expect(accepts(() => append(state, refused, now))).toBe(false);
});

test.each(await vectors("snapshot/valid"))(
  "%s is believed, and so is what follows",
  (_, vector) => {
    const { genesis, genesisRoot, snapshot, entries = [], roots, now } = vector;
    const states = [restore(found(genesis, genesisRoot), snapshot, now)];
    for (const entry of entries) states.push(append(last(states), entry, now));
    expect(states.map(rootOf)).toEqual([...roots]);
  },
);

test.each(await vectors("snapshot/invalid"))("%s is not believed", (_, vector) => {
  const { genesis, genesisRoot, snapshot, now } = vector;
  const state = found(genesis, genesisRoot);
  expect(accepts(() => restore(state, snapshot, now))).toBe(false);
});

/** Key files do not leave a host, so they are not in the document. */
const crypto = [...(await vectors("crypto/valid")), ...(await vectors("crypto/invalid"))].filter(
  ([, { area }]) => area !== "key-file",
);

test.each(crypto)("%s is judged alike", (_, vector) => {
  const isValid = vector.expect === undefined;
  const { area, key, message, signature, envelope, payloadType } = vector;
  const attempt = () => {
    if (area === "canonical") return parseStatement(bytesOf(vector.text));
    const hex = (digits: string) => Uint8Array.fromHex(digits);
    if (area === "signature") return isSignature(hex(key), hex(message), hex(signature));
    return openEnvelope(envelope, /vnd\.rustynet\.(.*)\+json$/.exec(payloadType)?.[1] ?? "");
  };
  expect(accepts(attempt)).toBe(isValid);
});

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

const Token = fields({
  url: text(/^https:\/\//),
  pin: hex64,
  network: id128,
  genesis: hex64,
  secret: text(/^[A-Za-z0-9_-]{43}$/),
});
const Admitted = fields({
  status: text(/^admitted$/),
  node: hex64,
  genesis: (genesis: unknown) => genesis,
  snapshot: (snapshot: unknown) => snapshot,
  entries: list((entry) => entry, 1_000),
});

const nowS = (): number => Math.floor(Date.now() / 1_000);
const tls = { rejectUnauthorized: false };

/** A node that knows nothing but its token and the document. */
class Second {
  readonly #keys = generateKeyPairSync("ed25519");
  readonly key = this.#keys.publicKey
    .export({ format: "der", type: "spki" })
    .subarray(-32)
    .toString("hex");

  /** Section 2.2. */
  seal(kind: string, statement: unknown) {
    const payloadType = `application/vnd.rustynet.${kind}+json`;
    const payload = Buffer.from(spell(statement));
    const head = `DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `;
    const sig = this.#sign(Buffer.concat([bytesOf(head), payload]));
    return {
      payloadType,
      payload: payload.toString("base64"),
      signatures: [{ keyid: this.key, sig }],
    };
  }

  /** Section 7.1. */
  fieldsOf(method: string, target: string, body: string): Record<string, string> {
    const digest = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
    const covered = `("@method" "@target-uri" "content-digest")`;
    const nonce = randomBytes(16).toString("hex");
    const terms = `;created=${nowS()};nonce="${nonce}";keyid="${this.key}";alg="ed25519";tag="rustynet-v1"`;
    const base = [
      `"@method": ${method}`,
      `"@target-uri": ${target}`,
      `"content-digest": ${digest}`,
      `"@signature-params": ${covered}${terms}`,
    ].join("\n");
    const signature = `rustynet=:${this.#sign(bytesOf(base))}:`;
    return {
      "content-digest": digest,
      "signature-input": `rustynet=${covered}${terms}`,
      signature,
    };
  }

  #sign(message: Uint8Array): string {
    return sign(null, message, this.#keys.privateKey).toString("base64");
  }
}

async function post(url: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: "POST", body, headers, tls });
  const answer: unknown = await response.json();
  expect([response.status, answer]).toEqual([200, expect.anything()]);
  return answer;
}

/** Section 6: from the token to a state that was verified from the root which the token names. */
async function join(node: Second, name: string): Promise<{ url: string; view: View }> {
  const owner = "alice";
  const terms = { owner, tags: ["web"], lifetimeS: 60, usesMax: 1 };
  const { token } = (await harness.ask("credentialCreate", terms)).body as { token: string };
  expect(token).toStartWith("rnjoin1.");
  const told = Token(parseStatement(fromBase64(token.slice("rnjoin1.".length), "base64url")));
  const nonce = randomBytes(16).toString("hex");
  const wish = { network: told.network, key: node.key, name, nonce, issuedAt: nowS() };
  const body = JSON.stringify({ secret: told.secret, request: node.seal("enrollment.v1", wish) });
  const admitted = Admitted(await post(`${told.url}/v1/enroll`, body));
  const founded = found(admitted.genesis, told.genesis);
  const { snapshot } = admitted;
  let state = snapshot === null ? founded : restore(founded, snapshot, nowS());
  for (const entry of admitted.entries) state = append(state, entry, nowS());
  expect(state.nodes.get(admitted.node)).toMatchObject({ key: node.key, name, tags: ["web"] });
  return { url: told.url, view: openView(admitted.node, state) };
}

test("with the document alone a node joins, is believed, and follows a server that runs", async () => {
  const node = new Second();
  const { url, view } = await join(node, "second");
  const views = [view];
  const { self, state } = view;
  const head = { epoch: state.epoch, root: rootOf(state) };
  const tunnelKey = generateKeyPairSync("x25519").publicKey.export({ format: "der", type: "spki" });
  const says = {
    network: state.network,
    node: self,
    sequence: 1,
    issuedAt: nowS(),
    expiresAt: nowS() + 600,
    tunnelKey: tunnelKey.subarray(-32).toString("hex"),
    endpoints: ["192.0.2.1:51820"],
    routes: ["192.0.2.0/24"],
    exit: "none",
    head,
    os: "linux/x64",
    software: "second 1",
  };
  const body = JSON.stringify({ envelope: node.seal("advertisement.v1", says) });
  const target = `${url}/v1/advertisement`;
  await post(target, body, node.fieldsOf("POST", target, body));

  const stream = `${url}/v1/map`;
  const socket = new WebSocket(stream.replace("https:", "wss:"), {
    headers: node.fieldsOf("GET", stream, ""),
    tls,
  });
  socket.onmessage = ({ data }) =>
    void views.push(receive(last(views), JSON.parse(String(data)), nowS()));
  await new Promise((resolve) => (socket.onopen = resolve));
  const held = { epoch: state.epoch, generation: 0 };
  socket.send(JSON.stringify({ kind: "hello", held, head }));

  const other = await harness.join("other");
  await other.advertise();
  await harness.operate("nodeRevoke", { node: (await harness.join("third")).id });
  const { network } = harness.running.control;
  await waitFor("the server's state", () => last(views).state.epoch === network.head.epoch);
  await waitFor("what the other said", () => last(views).said.has(other.id));
  socket.close();
  const statuses = [...last(views).state.nodes.values()].map(({ status }) => status).sort();
  expect(statuses.join(" ")).toBe("active active revoked");
  expect(hash("rustynet/node-id/v1", Uint8Array.fromHex(node.key)).toHex()).toBe(self);
});
