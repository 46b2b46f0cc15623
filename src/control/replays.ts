/** replays refuses a signed request that was seen before, whatever happened to this program since. */
import { Fault } from "../base/fault.ts";
import { skewMaxS } from "../model/time.ts";
import { forgetNonces, spendNonce } from "../store/control-store-nonces.ts";
import type { SignedRequest } from "../wire/request-signature.ts";
import type { Control } from "./control.ts";

/** Throws `replayed` unless this is the first time. */
export async function spend(control: Control, request: SignedRequest): Promise<void> {
  const { key, nonce, createdS: createdAt } = request;
  const spent = await control.store.transact((transaction) =>
    spendNonce(transaction, { key, nonce, createdAt }),
  );
  if (spent !== "fresh") throw replayed();
}

export const replayed = (): Fault =>
  new Fault("replayed", "this request was made before, or may have been", {
    remedy: "sign a new request with a new nonce and the present time",
  });

/** Drops what no clock within the allowed difference could show again. */
export async function forgetOldNonces(control: Control): Promise<void> {
  const horizon = Math.max(0, control.clock.nowS() - 2 * skewMaxS);
  await control.store.transact((transaction) => forgetNonces(transaction, horizon));
}
