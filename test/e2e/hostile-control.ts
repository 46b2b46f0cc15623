/**
 * hostile-control is the control server in the hands of somebody who stole its disk: it has the TLS
 * key and the control key, and says to each node whatever a test wants.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import { Secret } from "../../src/base/secret.ts";
import { SigningSecret } from "../../src/crypto/ed25519.ts";
import { Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import type { KeyKind } from "../../src/crypto/key-file.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import { SigningKey } from "../../src/model/keys.ts";
import { mapType, StreamReport } from "../../src/wire/map.ts";
import type { Host } from "../lab/host.ts";
import { waitFor } from "../lab/wait-for.ts";
import { type ControlHost, controlPort, controlStateDir } from "./control-host.ts";
import type { Mesh } from "./mesh.ts";
import { keysIn } from "./secrets.ts";

const Stream = v.object({
  id: v.number(),
  key: SigningKey,
  hello: v.nullable(StreamReport),
  isOpen: v.boolean(),
});
const Call = v.object({ id: v.number(), path: v.string(), body: v.string() });
type Call = v.InferOutput<typeof Call>;

/** An open stream of a node that has said what it holds. */
export type Victim = { readonly id: number; readonly hello: StreamReport & { kind: "hello" } };

/** What the thief found on the server's disk. */
export type Loot = { readonly control: SigningSecret; readonly approver: SigningSecret };

export class HostileControl {
  readonly loot: Loot;
  readonly #socket: string;
  readonly #stop: () => Promise<unknown>;

  private constructor(loot: Loot, socket: string, stop: () => Promise<unknown>) {
    this.loot = loot;
    this.#socket = socket;
    this.#stop = stop;
  }

  /**
   * Listens on `host` at the port of the honest server, which must not run there. `upstream` is where
   * calls can be forwarded to.
   */
  static async open(
    mesh: Mesh,
    host: Host = mesh.control.host,
    upstream = "",
  ): Promise<HostileControl> {
    const { folder } = host.station;
    const files = ["certificate", "key"].map((name) =>
      join(folder, `${crypto.randomUUID()}.${name}`),
    );
    const [certificate = "", key = ""] = files;
    writeFileSync(certificate, await mesh.control.stolen("tls.crt"));
    writeFileSync(key, stolenKey(mesh.control, "tls"));
    const socket = join(folder, `${crypto.randomUUID().slice(0, 8)}.sock`);
    const script = join(import.meta.dir, "programs/false-control.ts");
    const args = [String(controlPort), certificate, key, socket, upstream];
    const program = await host.spawn([process.execPath, script, ...args]);
    mesh.journal.add(`hostile ${host.name}`, program);
    await program.waitForLine('"listening"');
    const loot = {
      control: new SigningSecret(new Secret(stolenKey(mesh.control, "control"))),
      approver: new SigningSecret(new Secret(stolenKey(mesh.control, "approver"))),
    };
    return new HostileControl(loot, socket, () => program.stop());
  }

  close(): Promise<unknown> {
    return this.#stop();
  }

  /** The node's newest stream, once it has said what it holds; one opened later than `before`. */
  async victim(key: SigningKey, before?: Victim): Promise<Victim> {
    const found = await waitFor(
      `a stream of ${nodeIdOf(key).slice(0, 8)}`,
      async () => {
        const streams = v.parse(v.array(Stream), await this.#ask("/streams"));
        const last = streams.findLast(
          ({ id, key: by, isOpen }) => by === key && isOpen && id > (before?.id ?? -1),
        );
        return last?.hello?.kind === "hello" ? { id: last.id, hello: last.hello } : null;
      },
      { deadlineMs: 40_000, pollMs: 20 },
    );
    assert(found !== null, "waited for it");
    return found;
  }

  /** Sends a text over a stream. */
  async say({ id }: Pick<Victim, "id">, text: string): Promise<void> {
    await this.#ask(`/say?id=${id}`, text);
  }

  /** The calls so far. */
  async calls(path: string): Promise<Call[]> {
    const calls = v.parse(v.array(Call), await this.#ask("/calls"));
    return calls.filter((call) => call.path === path);
  }

  /** What this node last advertised to us. */
  async advertisementBy(key: SigningKey): Promise<Envelope> {
    const Body = v.object({ envelope: Envelope });
    const found = await waitFor("the node's advertisement", async () => {
      const envelopes = (await this.calls("/v1/advertisement")).map(
        ({ body }) => v.parse(Body, JSON.parse(body)).envelope,
      );
      return envelopes.findLast(({ signatures }) => signatures.some(({ keyid }) => keyid === key));
    });
    assert(found !== undefined, "waited for it");
    return found;
  }

  /** Waits for a call, asks the honest server, and answers with what `edit` makes of its answer. Returns what was asked. */
  async interceptOnce(path: string, edit: (answer: unknown) => unknown): Promise<string> {
    const before = (await this.calls(path)).length;
    const call = await waitFor(`a call of ${path}`, async () => (await this.calls(path))[before]);
    assert(call !== undefined, "waited for it");
    const honest = await this.#ask(`/forward?id=${call.id}`);
    await this.#ask(`/reply?id=${call.id}`, JSON.stringify(edit(honest)));
    return call.body;
  }

  /** Says something to the honest server, as whoever has overheard or made it up. */
  async send(
    path: string,
    body: string,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const Sent = v.object({ status: v.number(), body: v.unknown() });
    return v.parse(Sent, await this.#ask(`/send?path=${encodeURIComponent(path)}`, body));
  }

  async #ask(path: string, body?: string): Promise<unknown> {
    const method = body === undefined ? "GET" : "POST";
    const init = body === undefined ? {} : { body };
    const answer = await fetch(`http://local${path}`, { unix: this.#socket, method, ...init });
    return answer.json();
  }
}

export function stolenKey({ service }: ControlHost, kind: KeyKind): Uint8Array {
  const [, bytes] =
    keysIn(service, controlStateDir).find(([name]) => name.startsWith(`${kind}.key`)) ?? [];
  assert(bytes !== undefined, `the server keeps a ${kind} key in the plain`);
  return bytes;
}

/** A map as the true server would make it for a node that holds so much and lacks nothing. */
export function nothingNew(
  { hello: { held, head } }: Victim,
  terms: { readonly network: string; readonly audience: string; readonly signedAt?: number },
): Record<string, CanonicalValue> {
  const { network, audience, signedAt = Math.floor(Date.now() / 1_000) } = terms;
  return {
    network,
    audience,
    generation: held.generation,
    signedAt,
    since: { epoch: held.epoch, generation: held.generation },
    head: { epoch: head.epoch, root: head.root },
    entries: [],
    advertisements: [],
    presence: [],
  };
}

export const signMap = (map: CanonicalValue, ...by: readonly SigningSecret[]): string =>
  JSON.stringify(sealEnvelope(mapType, map, by));
