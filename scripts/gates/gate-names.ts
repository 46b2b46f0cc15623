/** gate-names are the rows that the scripts of gates decide, by the name that evidence calls them. */

/** Section 7 of the requirements of phase 1. */
export const textGates = ["format", "lint", "types"] as const;

export const treeGates = [
  "tests",
  "vulnerabilities",
  "dependencies",
  "tunnel words",
  "unsafe constructs",
  "unresolved markers",
] as const;

/** Section 8: each is a metric of artifacts/perf/phase1/baseline.json. */
export const metricGates = [
  "idle_cpu",
  "idle_memory",
  "reconnect",
  "policy_apply_p95",
  "throughput_overhead",
] as const;

/** What scripts/gates/membership decides beside the text. */
export const membershipGates = [
  "membership conformance",
  "membership negative tests",
  "membership recovery",
  "membership drills",
  "membership audit integrity",
] as const;

export const gateNames: readonly string[] = [
  ...textGates,
  ...treeGates,
  ...metricGates,
  ...membershipGates,
];
