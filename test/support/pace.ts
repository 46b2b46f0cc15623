/** pace is by how much slower this machine is than those that deadlines are written for. */
import * as v from "valibot";

const Pace = v.pipe(
  v.optional(v.string(), "1"),
  v.regex(/^[1-9]\d?$/, "RUSTYNET_TEST_PACE is a whole number from 1 to 99"),
  v.transform(Number),
);

/** Multiplies every deadline. An emulated machine says 12; nothing that succeeds waits for it. */
export const pace: number = v.parse(Pace, process.env["RUSTYNET_TEST_PACE"]);
