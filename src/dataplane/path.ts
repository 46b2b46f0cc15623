/**
 * path decides where to send first to one peer that does not answer: through its candidates in turn,
 * ever more slowly. Once the peer answers, the tunnel itself follows it wherever it roams.
 */
import * as v from "valibot";
import { Cidr, containsIp, type Endpoint, splitEndpoint } from "../model/ip.ts";

export type Path =
  | { readonly kind: "unknown" }
  | {
      readonly kind: "trying";
      readonly candidates: readonly Endpoint[];
      readonly turn: number;
      readonly sinceMs: number;
    }
  | {
      readonly kind: "alive";
      readonly candidates: readonly Endpoint[];
      readonly endpoint: Endpoint;
    };

export type PathInput = {
  readonly candidates: readonly Endpoint[];
  /** What the tunnel says: where it sends, and seconds since the last handshake, null if none. */
  readonly endpoint: Endpoint | null;
  readonly handshakeAgeS: number | null;
  readonly nowMs: number;
};

/** A session is renewed every two minutes and dead after three, in every tunnel that we drive. */
export const aliveMaxS = 180;
/** The tunnel repeats an unanswered handshake after 5 s: each candidate gets that one repetition. */
const turnMs = 6_000;
const turnMaxMs = 60_000;
/** Of two that begin at the same moment one yields: crossing handshakes undo each other for 5 s. */
const yieldMs = 500;

export const unknownPath: Path = { kind: "unknown" };

/** The next state of the path. `wantedEndpoint` of it is what to tell the tunnel. */
export function transition(path: Path, input: PathInput): Path {
  const { candidates, endpoint, handshakeAgeS, nowMs } = input;
  const isAlive = endpoint !== null && handshakeAgeS !== null && handshakeAgeS < aliveMaxS;
  if (isAlive && !hasMoved(path, input)) return { kind: "alive", candidates, endpoint };
  if (candidates.length === 0) return unknownPath;
  if (path.kind !== "trying" || !isSame(path.candidates, candidates))
    return { kind: "trying", candidates, turn: 0, sinceMs: nowMs };
  if (nowMs - path.sinceMs < patienceMs(path)) return path;
  return { ...path, turn: path.turn + 1, sinceMs: nowMs };
}

/** Null: leave the tunnel's own choice alone. */
export function wantedEndpoint(path: Path): Endpoint | null {
  if (path.kind !== "trying") return null;
  return path.candidates[path.turn % path.candidates.length] ?? null;
}

/**
 * Whether to leave the first move to the peer a little longer. `yields` is the same for both sides of a
 * pair, the other way round. Traffic that has somewhere to go does not wait.
 */
export function holdsBack(path: Path, yields: boolean, nowMs: number): boolean {
  return yields && path.kind === "trying" && path.turn === 0 && nowMs < path.sinceMs + yieldMs;
}

/** When the path wants to be looked at again; null when only an event can change it. */
export function wakeAtMs(path: Path, nowMs: number): number | null {
  if (path.kind !== "trying") return null;
  const yieldsUntilMs = path.sinceMs + yieldMs;
  const isFirst = path.turn === 0 && nowMs < yieldsUntilMs;
  return isFirst ? yieldsUntilMs : path.sinceMs + patienceMs(path);
}

// This host itself, no host, or many; link-local IPv6, which means nothing without its interface; and
// IPv4 spelled as IPv6 (RFC 6890, RFC 4291 section 2).
const nobodys = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "224.0.0.0/3",
  "::/127",
  "::ffff:0:0/96",
  "fe80::/10",
  "ff00::/8",
].map((text) => v.parse(Cidr, text));

/**
 * Those on a network that this host is on come first: they need no router, and no hairpin. Left out is
 * what no other host can answer at, and what lies in the overlay: the tunnel cannot run through itself.
 */
export function rankCandidates(
  candidates: readonly Endpoint[],
  local: readonly Cidr[],
  overlay: readonly Cidr[],
): readonly Endpoint[] {
  const isIn = (endpoint: Endpoint, cidrs: readonly Cidr[]): boolean =>
    cidrs.some((cidr) => containsIp(cidr, splitEndpoint(endpoint).address));
  const usable = candidates.filter((endpoint) => !isIn(endpoint, [...nobodys, ...overlay]));
  const near = usable.filter((endpoint) => isIn(endpoint, local));
  return [...near, ...usable.filter((endpoint) => !near.includes(endpoint))];
}

/** Each full round doubles the patience, so that an absent peer is not knocked at for ever. */
function patienceMs(path: Path & { kind: "trying" }): number {
  const round = Math.floor(path.turn / path.candidates.length);
  return Math.min(turnMs * 2 ** Math.min(round, 10), turnMaxMs);
}

/**
 * A live peer has moved when it stops naming the address that it was reached at. An address that it
 * never named, such as its NAT's, says nothing by its absence.
 */
function hasMoved(path: Path, { candidates, endpoint }: PathInput): boolean {
  if (path.kind !== "alive" || endpoint === null || candidates.length === 0) return false;
  return path.candidates.includes(endpoint) && !candidates.includes(endpoint);
}

const isSame = (left: readonly Endpoint[], right: readonly Endpoint[]): boolean =>
  left.length === right.length && left.every((endpoint, i) => endpoint === right[i]);
