/** catalogue lists the drills: one for each runbook of incidents. */
import { emergencyRevocation } from "./emergency-revocation.ts";
import { lostQuorum } from "./lost-quorum.ts";
import { restore } from "./restore.ts";
import type { Drill } from "./scene.ts";
import { stolenApproverKey } from "./stolen-approver-key.ts";
import { stolenNode } from "./stolen-node.ts";

export const drills: readonly Drill[] = [
  stolenApproverKey,
  stolenNode,
  emergencyRevocation,
  lostQuorum,
  restore,
];
