/** secrets gathers every secret of a mesh, in every spelling in which a program might tell it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openKeyFile, keyKinds } from "../../src/crypto/key-file.ts";
import { parseJoinToken } from "../../src/wire/join-token.ts";
import { assert } from "../../src/base/assert.ts";
import { controlStateDir } from "./control-host.ts";
import type { Mesh } from "./mesh.ts";
import { nodeStateDir } from "./node-host.ts";
import { approverHome } from "./person-host.ts";
import type { Service } from "./service.ts";

/** What to call each secret, and its spellings. Sealed keys are not here: the test has no passphrase. */
export function collectSecrets(mesh: Mesh): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  mesh.control.tokens.forEach((token, i) => {
    const parsed = parseJoinToken(token);
    assert(parsed !== null, "what was printed is a token");
    found.set(`token ${i}`, parsed.secret);
    found.set(`token ${i} as a whole`, token);
  });
  for (const [name, key] of keysIn(mesh.control.service, controlStateDir)) spell(found, name, key);
  for (const node of Object.values(mesh.nodes))
    for (const [name, key] of keysIn(node.service, nodeStateDir)) spell(found, name, key);
  for (const person of mesh.people)
    for (const [name, key] of keysIn(person, approverHome)) spell(found, name, key);
  return found;
}

function spell(found: Map<string, string>, name: string, key: Uint8Array): void {
  found.set(`${name} in hex`, key.toHex());
  found.set(`${name} in base64`, key.toBase64({ omitPadding: true }));
  found.set(`${name} in base64url`, key.toBase64({ alphabet: "base64url", omitPadding: true }));
}

/** A service in its place, or a person at a machine. */
type Keeper = { readonly host: Service["host"]; readonly place?: Service["place"] };

/** The keys that lie in a state directory in the plain. */
export function keysIn({ host, place }: Keeper, directory: string): [string, Uint8Array][] {
  const path = host.socketPath(join(place?.root ?? "", directory));
  return filesIn(path)
    .filter((file) => file.endsWith(".key"))
    .flatMap((file) => {
      const bytes = readFileSync(join(path, file));
      const keys = keyKinds.map((kind) => openKeyFile(bytes, kind, { kind: "plain" }));
      return keys.flatMap((opened): [string, Uint8Array][] =>
        opened.ok
          ? [[`${file} of ${host.name}`, opened.value.expose((key) => Uint8Array.from(key))]]
          : [],
      );
    });
}

function filesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
