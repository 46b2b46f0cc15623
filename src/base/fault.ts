/**
 * Fault is the one error class. Effects throw it; each mode catches it in one place.
 * `code` is for programs, the message says which check failed, `remedy` is the way out.
 */

/** Every way in which the product can break or refuse, with the class that its exit code shows. */
export const faultClass = {
  // The caller asked wrongly: nothing was done; ask differently.
  usage: "usage",
  request_malformed: "usage",
  name_invalid: "usage",
  not_found: "usage",
  already_exists: "usage",
  config_invalid: "usage",
  // Somebody who may decide said no: trying again does not help.
  permission_denied: "refused",
  credential_invalid: "refused",
  network_mismatch: "refused",
  pin_mismatch: "refused",
  signature_invalid: "refused",
  membership_rejected: "refused",
  // Well made, for a state that is not the present one any more.
  outdated: "temporary",
  map_rejected: "refused",
  replayed: "refused",
  clock_skew: "refused",
  revoked: "refused",
  key_custody: "refused",
  algorithm_denied: "refused",
  // The world failed us: trying again may help.
  unavailable: "temporary",
  timeout: "temporary",
  rate_limited: "temporary",
  backend_unavailable: "temporary",
  backend_invalid_input: "usage",
  backend_already_running: "usage",
  backend_not_running: "temporary",
  backend_unsupported: "refused",
  backend_internal: "temporary",
  host_failed: "temporary",
  route_overlap: "temporary",
  rollback_failed: "temporary",
  withdraw_failed: "temporary",
  busy: "temporary",
  // What is on disk cannot be believed.
  store_corrupt: "corrupt",
  version_unknown: "corrupt",
} as const;

export type FaultCode = keyof typeof faultClass;
export type FaultClass = (typeof faultClass)[FaultCode];

/** Exit codes by class, after sysexits(3): retry on 75 only, never on a security verdict. */
export const exitCode = {
  usage: 64,
  corrupt: 65,
  temporary: 75,
  refused: 77,
} as const satisfies Record<FaultClass, number>;

export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  /** What the reader can do about it: usually the exact command to run. */
  readonly remedy: string | undefined;

  constructor(code: FaultCode, message: string, options?: { cause?: unknown; remedy?: string }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options?.remedy;
  }
}

export function isFaultCode(text: string): text is FaultCode {
  return Object.hasOwn(faultClass, text);
}
