/** Clock is how time reaches code that needs it: an argument, so that tests decide what time it is. */

export type Clock = {
  /** Wall time in whole seconds since 1970-01-01 UTC. May jump in either direction. */
  readonly nowS: () => number;
  /** Milliseconds since an arbitrary start. Never goes back; a daemon's goes on while the host sleeps. */
  readonly monotonicMs: () => number;
};
