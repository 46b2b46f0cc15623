/** map-refusal: what a person reads when a map is not believed, and the way out. */
import { expect, test } from "bun:test";
import type { MapRefusal } from "../../src/daemon/belief.ts";
import { findingOfMap } from "../../src/daemon/map-refusal.ts";

const unknown = { code: "payload_unknown", issue: "a kind that is not known" } as const;

test.each<[what: string, refusal: MapRefusal, remedy: string]>([
  ["an entry of an unknown kind", { code: "entry_refused", epoch: 7, why: unknown }, "upgrade"],
  ["a map with an unknown field", unknown, "upgrade"],
  [
    "a map of another version",
    {
      code: "envelope_refused",
      why: { code: "payload_type_mismatch", expected: "map.v1", found: "map.v2" },
    },
    "upgrade",
  ],
  ["a lower count", { code: "map_older", generation: 1, held: 2 ** 48 }, "revoke this one"],
  ["no envelope", { code: "not_an_envelope" }, "look at the control server"],
])("%s", (_what, refusal, remedy) => {
  const finding = findingOfMap(refusal);
  expect(finding.code).toBe("map_rejected");
  expect(finding.message).toContain(refusal.code);
  expect(finding.remedy).toContain(remedy);
  expect(finding.remedy).toStartWith("the last verified state stays in force; ");
});
