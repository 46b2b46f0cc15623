/** control-client is what a node asks of the control server: its calls, and the map stream. */
import {
  type ControlTarget,
  openControlChannel,
  type SignedGet,
} from "../client/control-channel.ts";
import { Fault } from "../base/fault.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../crypto/ed25519.ts";
import type { Envelope } from "../crypto/envelope.ts";
import type { Head } from "../wire/advertisement.ts";
import { type Input, mapStreamPath } from "../wire/control-api.ts";
import type { EnrollmentInput, EnrollmentOutput, History } from "../wire/enrollment.ts";
import type { Finding } from "../wire/local-api.ts";
import type { Held, StreamReport } from "../wire/map.ts";
import { openStream } from "./control-stream.ts";

export type MapStreamHooks = {
  readonly held: Held;
  readonly head: Head;
  /** Each map as it arrived: the text of an envelope. Also called before the stream is returned. */
  readonly onMap: (text: string) => void;
  /** Once, when the stream has ended; null when this side closed it. */
  readonly onClose: (reason: Finding | null) => void;
};

export type MapStream = {
  readonly close: () => void;
  /** Closes the stream unless the server answers within half a second. */
  readonly probe: () => void;
  readonly send: (report: StreamReport) => void;
};

/** Everything throws `pin_mismatch`, `unavailable`, `timeout`, or what the server refused with. */
export type ControlClient = {
  readonly enroll: (input: EnrollmentInput) => Promise<EnrollmentOutput>;
  readonly advertise: (envelope: Envelope) => Promise<{ readonly generation: number }>;
  readonly voucherHistory: (input: Input<"voucherHistory">) => Promise<History>;
  readonly voucherRedeem: (input: Input<"voucherRedeem">) => Promise<EnrollmentOutput>;
  /** `update`: the node's own word for it; null leaves it to a server that may decide alone. */
  readonly leave: (update: Envelope | null) => Promise<{ readonly epoch: number }>;
  readonly openMapStream: (hooks: MapStreamHooks) => Promise<MapStream>;
};

export type OpenControlClient = (target: ControlTarget) => ControlClient;

const backoffFirstMs = 200;
const backoffMaxMs = 30_000;

/**
 * How long to wait before attempt number `attempt`, which starts at 0: somewhere between half and all
 * of a time that doubles. `random` gives numbers from 0 to below 1.
 */
export function backoffMs(attempt: number, random: () => number): number {
  const wholeMs = Math.min(backoffFirstMs * 2 ** Math.min(attempt, 30), backoffMaxMs);
  return Math.round(wholeMs / 2 + (random() * wholeMs) / 2);
}

export function openControlClient(
  target: ControlTarget & { readonly clock: Clock; readonly random: Random },
): ControlClient {
  const { call, open } = openControlChannel(target);
  return {
    enroll: (input) => call("enroll", input),
    advertise: (envelope) => call("advertise", { envelope }),
    voucherHistory: (input) => call("voucherHistory", input),
    voucherRedeem: (input) => call("voucherRedeem", input),
    leave: (update) => call("leave", update === null ? {} : { update }),
    openMapStream: (hooks) =>
      open(mapStreamPath, ({ findRefusal, ...request }) =>
        openStream({ ...request, explain: () => explainWith(findRefusal), hooks }),
      ),
  };
}

/** A WebSocket that is refused does not say why; the same request without the upgrade does. */
const explainWith = async (findRefusal: SignedGet["findRefusal"]): Promise<Fault> =>
  (await findRefusal()) ??
  new Fault("unavailable", "the control server did not open the map stream", {
    remedy: "it is tried again by itself",
  });
