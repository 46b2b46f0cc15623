/** credentials are made, listed and revoked by the operator; each makes one join token, shown once. */
import * as v from "valibot";
import { encodeBase64Url } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { insertAudit } from "../store/control-store-audit.ts";
import {
  expireCredentials,
  insertCredential,
  listCredentials,
  revokeCredential,
} from "../store/control-store-credentials.ts";
import type { Input, Output } from "../wire/control-api.ts";
import { encodeJoinToken, EnrollmentSecret } from "../wire/join-token.ts";
import { actorOf, type Caller, type Control } from "./control.ts";

const secretSizeBytes = 32;

export async function createCredential(
  control: Control,
  input: Input<"credentialCreate">,
  caller: Caller,
): Promise<Output<"credentialCreate">> {
  const { network, clock, store, url, pin } = control;
  const secret = v.parse(EnrollmentSecret, encodeBase64Url(control.random(secretSizeBytes)));
  const now = clock.nowS();
  const actor = actorOf(caller);
  const { owner, usesMax } = input;
  const tags = [...new Set(input.tags)].sort();
  const expiresAt = now + input.lifetimeS;
  const terms = { owner, tags, usesMax, createdAt: now, expiresAt, createdBy: actor };
  const credential = await store.transact(async (transaction) => {
    const inserted = await insertCredential(transaction, secret, terms);
    const detail = JSON.stringify({ owner, tags, usesMax, expiresAt });
    const event = { at: now, actor, event: "credential_created", subject: inserted.id, detail };
    await insertAudit(transaction, event);
    return inserted;
  });
  const where = { url, pin, network: network.state.network, genesis: network.genesisRoot };
  return { credential, token: encodeJoinToken({ ...where, secret }) };
}

export async function listAllCredentials(control: Control): Promise<Output<"credentialList">> {
  await expireDue(control);
  return { credentials: await control.store.transact(listCredentials) };
}

export async function revokeOneCredential(
  control: Control,
  { id }: Input<"credentialRevoke">,
  caller: Caller,
): Promise<Output<"credentialRevoke">> {
  await expireDue(control);
  const actor = actorOf(caller);
  const credential = await control.store.transact(async (transaction) => {
    const revoked = await revokeCredential(transaction, id);
    if (revoked === null) {
      const known = (await listCredentials(transaction)).find((one) => one.id === id);
      throw notRevocable(id, known?.state);
    }
    const at = control.clock.nowS();
    const event = { at, actor, event: "credential_revoked", subject: id, detail: "" };
    await insertAudit(transaction, event);
    return revoked;
  });
  return { credential };
}

/** Writes down which credentials have run out. Before anything that depends on it, and on its own. */
export async function expireDue(control: Control): Promise<void> {
  const at = control.clock.nowS();
  await control.store.transact(async (transaction) => {
    for (const { id } of await expireCredentials(transaction, at)) {
      const event = { at, actor: "clock", event: "credential_expired", subject: id, detail: "" };
      await insertAudit(transaction, event);
    }
  });
}

function notRevocable(id: string, state: string | undefined): Fault {
  if (state === undefined) {
    return new Fault("not_found", `there is no credential ${id}`, {
      remedy: "rustynet credential list shows them all",
    });
  }
  return new Fault("credential_invalid", `credential ${id} is ${state} already`, {
    remedy: "nothing is left to revoke; rustynet node revoke expels a node that it let in",
  });
}
