/** dossiers lets a test write changes that no command would, with the keys of the people in the mesh. */
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { encodeHex } from "../../src/base/bytes.ts";
import type { SigningSecret } from "../../src/crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { propose } from "../../src/membership/propose.ts";
import { type Operation, type Update, updateType } from "../../src/membership/update.ts";
import { UpdateId } from "../../src/model/ids.ts";
import { calls } from "../../src/wire/control-api.ts";
import { Dossier, openDossier } from "../../src/wire/dossier.ts";
import { controlSocketDefault } from "../../src/wire/local-api.ts";
import { parseNetworkCard } from "../../src/wire/network-card.ts";
import { nowS, random } from "./lies.ts";
import type { Mesh } from "./mesh.ts";
import type { PersonHost } from "./person-host.ts";

const path = "/run/dossier.json";

export type Read = { readonly dossier: Dossier; readonly membership: Membership };

/** What the control server hands out, verified as a person's machine does it. */
export async function readDossier(mesh: Mesh, person: PersonHost): Promise<Read> {
  await person.decide("export", path);
  const dossier = v.parse(Dossier, JSON.parse(await person.host.readFile(path)));
  const card = parseNetworkCard(await mesh.control.card());
  assert(card !== null, "what was printed is a card");
  const opened = openDossier(dossier, card.genesis, nowS());
  assert(opened.ok, `the log holds: ${Bun.inspect(opened)}`);
  return { dossier, membership: opened.value.membership };
}

/** What the control server says to updates that come past every command, which would not send most of them. */
export async function submit(
  { control: { host, service } }: Mesh,
  ...envelopes: readonly Envelope[]
): Promise<{ readonly status: number; readonly text: string }> {
  const unix = host.socketPath(`${service.place.root}${controlSocketDefault}`);
  const answer = await fetch(`http://local${calls.proposalSubmit.path}`, {
    ...{ unix, method: "POST", body: JSON.stringify({ envelopes }) },
  });
  return { status: answer.status, text: await answer.text() };
}

export const newId = (): UpdateId => v.parse(UpdateId, encodeHex(random(16)));

/** An update upon this state, as it has to be. */
export function updateUpon(
  membership: Membership,
  operation: Operation,
  changes: Partial<Update> = {},
): Update {
  const proposed = propose(membership, operation, {
    ...{ id: newId(), createdAt: Math.max(nowS(), membership.acceptedAt), lifetimeS: 3_600 },
  });
  assert(proposed.ok, `it applies: ${Bun.inspect(proposed)}`);
  return { ...proposed.value, ...changes };
}

/** An update that no reducer would lead to: its root is made up. */
export function updateOfForce(membership: Membership, operation: unknown): unknown {
  const { network, epoch } = membership.state;
  const createdAt = Math.max(nowS(), membership.acceptedAt);
  const between = { epoch: epoch + 1, parent: membership.root, root: "ab".repeat(32) };
  const times = { createdAt, expiresAt: createdAt + 3_600 };
  return { network, id: newId(), ...between, ...times, operation };
}

export const sealUpdate = (update: unknown, by: readonly SigningSecret[]): Envelope =>
  sealEnvelope(updateType, v.parse(v.record(v.string(), v.any()), update), by);
