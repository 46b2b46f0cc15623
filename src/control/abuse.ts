/**
 * abuse decides when somebody has asked too often. It keeps a bucket of tokens for each address and
 * each identity, and a growing lockout for each address that shows wrong secrets; when it cannot keep
 * one more of these, it says no (requirements, phase 1 section 5.3).
 */

export type BucketLimit = { readonly burst: number; readonly refillPerMinute: number };

export type AbuseLimits = {
  readonly address: BucketLimit;
  readonly identity: BucketLimit;
  readonly lockout: { readonly firstS: number; readonly maxS: number };
  /** How many addresses and identities are remembered at a time. */
  readonly remembered: number;
};

export const abuseLimitsDefault: AbuseLimits = {
  address: { burst: 20, refillPerMinute: 10 },
  identity: { burst: 10, refillPerMinute: 5 / 15 },
  lockout: { firstS: 30, maxS: 900 },
  remembered: 50_000,
};

export type LimiterDecision =
  | { readonly kind: "allowed" }
  | { readonly kind: "throttled" | "locked_out" | "full"; readonly retryAfterS: number };

type Bucket = { tokens: number; atMs: number };
type Lockout = { failures: number; untilMs: number };

const allowed: LimiterDecision = { kind: "allowed" };

export class AbuseGuard {
  readonly #limits: AbuseLimits;
  readonly #addresses = new Map<string, Bucket>();
  readonly #identities = new Map<string, Bucket>();
  readonly #lockouts = new Map<string, Lockout>();

  constructor(limits: AbuseLimits) {
    this.#limits = limits;
  }

  /** Before anything is looked at: may this address ask at all? Times are of a clock that never goes back. */
  admitAddress(address: string, nowMs: number): LimiterDecision {
    const source = sourceOf(address);
    const lockout = this.#lockouts.get(source);
    if (lockout !== undefined && nowMs < lockout.untilMs)
      return { kind: "locked_out", retryAfterS: Math.ceil((lockout.untilMs - nowMs) / 1_000) };
    return this.#take(this.#addresses, source, this.#limits.address, nowMs);
  }

  /** Once an identity has proved itself: may it ask again? */
  admitIdentity(identity: string, nowMs: number): LimiterDecision {
    return this.#take(this.#identities, identity, this.#limits.identity, nowMs);
  }

  /** A wrong secret: each one doubles how long the address must wait. */
  failed(address: string, nowMs: number): void {
    const source = sourceOf(address);
    const failures = (this.#lockouts.get(source)?.failures ?? 0) + 1;
    const { firstS, maxS } = this.#limits.lockout;
    const waitMs = Math.min(firstS * 2 ** (failures - 1), maxS) * 1_000;
    // When the table is full, the address bucket goes on limiting it.
    if (failures > 1 || this.#hasRoom(this.#lockouts, (one) => nowMs > one.untilMs + maxS * 1_000))
      this.#lockouts.set(source, { failures, untilMs: nowMs + waitMs });
  }

  /** A right secret, after the lockout has run out: the address starts afresh. */
  succeeded(address: string): void {
    this.#lockouts.delete(sourceOf(address));
  }

  #take(
    buckets: Map<string, Bucket>,
    key: string,
    limit: BucketLimit,
    nowMs: number,
  ): LimiterDecision {
    const perMs = limit.refillPerMinute / 60_000;
    const known = buckets.get(key);
    const tokens = known === undefined ? limit.burst : refilled(known, limit.burst, perMs, nowMs);
    const isIdle = (one: Bucket) => refilled(one, limit.burst, perMs, nowMs) === limit.burst;
    if (known === undefined && !this.#hasRoom(buckets, isIdle))
      return { kind: "full", retryAfterS: 60 };
    buckets.set(key, { tokens: Math.max(0, tokens - 1), atMs: nowMs });
    if (tokens >= 1) return allowed;
    // Asking too early takes nothing and gains nothing.
    buckets.set(key, { tokens, atMs: nowMs });
    const waitMs = Math.round((1 - tokens) / perMs);
    return { kind: "throttled", retryAfterS: Math.ceil(waitMs / 1_000) };
  }

  /** Makes room by forgetting what would be the same if it were new. Looked at only when full. */
  #hasRoom<T>(table: Map<string, T>, isForgettable: (one: T) => boolean): boolean {
    if (table.size < this.#limits.remembered) return true;
    for (const [key, one] of table) if (isForgettable(one)) table.delete(key);
    return table.size < this.#limits.remembered;
  }
}

const refilled = (bucket: Bucket, burst: number, perMs: number, nowMs: number): number =>
  Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) * perMs);

/** One customer has a whole IPv6 /64: 2^64 addresses must not be 2^64 buckets. */
export function sourceOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [left = "", right] = address.toLowerCase().split("::");
  const before = left === "" ? [] : left.split(":");
  const after = right === undefined || right === "" ? [] : right.split(":");
  const zeros = right === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
