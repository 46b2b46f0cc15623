/** lifecycle: there is no way to an open dataplane but through trust verified anew. */
import { expect, test } from "bun:test";
import {
  type Failure,
  initial,
  type Lifecycle,
  type LifecycleEvent,
  transition,
} from "../../src/dataplane/lifecycle.ts";

const failure: Failure = { area: "host", code: "host_failed", message: "no" };
const states: Record<string, Lifecycle> = {
  init: initial,
  control_trusted: { kind: "control_trusted" },
  dataplane_applied: { kind: "dataplane_applied" },
  fail_closed: { kind: "fail_closed", failure },
};
const events: Record<string, LifecycleEvent> = {
  trust_verified: { kind: "trust_verified" },
  applied: { kind: "applied" },
  failed: { kind: "failed", failure },
  stopped: { kind: "stopped" },
};

test.each([
  ["init", "trust_verified", "control_trusted"],
  ["init", "applied", "init"],
  ["control_trusted", "trust_verified", "control_trusted"],
  ["control_trusted", "applied", "dataplane_applied"],
  ["dataplane_applied", "trust_verified", "dataplane_applied"],
  ["dataplane_applied", "applied", "dataplane_applied"],
  ["fail_closed", "trust_verified", "control_trusted"],
  ["fail_closed", "applied", "fail_closed"],
])("%s, %s: %s", (from, event, to) => {
  const next = transition(states[from] as Lifecycle, events[event] as LifecycleEvent);
  expect(next).toEqual(states[to] as Lifecycle);
});

test.each(Object.keys(states))("a failure closes %s, and being stopped ends it", (from) => {
  const state = states[from] as Lifecycle;
  expect(transition(state, { kind: "failed", failure })).toEqual({ kind: "fail_closed", failure });
  expect(transition(state, { kind: "stopped" })).toEqual(initial);
});
