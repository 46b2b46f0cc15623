/** approvals-text says how far a decision of several people is, the same words wherever it is shown. */
import type { UnixS } from "../model/time.ts";
import type { Approvals } from "./enrollment.ts";

/** `2 of 3: alice signed; missing bob, carol; expires in 23 h`. The first number is how many it takes. */
export function wordApprovals({ need, signed, missing, expiresAt }: Approvals, now: UnixS): string {
  const parts = [
    signed.length === 0 ? "nobody signed yet" : `${signed.join(", ")} signed`,
    ...(missing.length === 0 ? [] : [`missing ${missing.join(", ")}`]),
    ...(expiresAt === null ? [] : [wordExpiry(expiresAt - now)]),
  ];
  return `${need} of ${signed.length + missing.length}: ${parts.join("; ")}`;
}

/** In whole units, the largest that fits: it is a deadline for people. */
function wordExpiry(seconds: number): string {
  if (seconds <= 0) return "expired";
  if (seconds < 60) return `expires in ${seconds} s`;
  if (seconds < 3_600) return `expires in ${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `expires in ${Math.floor(seconds / 3_600)} h`;
  return `expires in ${Math.floor(seconds / 86_400)} d`;
}
