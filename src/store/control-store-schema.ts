/**
 * control-store-schema is the shape of the control server's tables. Columns come from one factory, so
 * that a second dialect is a second factory and not a second schema.
 */
import * as sqlite from "drizzle-orm/sqlite-core";

/** Every kind of column the schema uses. JSON stays text: what is signed must come back as it was. */
const dialect = {
  table: sqlite.sqliteTable,
  primary: sqlite.primaryKey,
  text: (name: string) => sqlite.text(name).notNull(),
  integer: (name: string) => sqlite.integer(name, { mode: "number" }).notNull(),
  maybeInteger: (name: string) => sqlite.integer(name, { mode: "number" }),
};

export const credentials = dialect.table("credentials", {
  id: dialect.text("id").primaryKey(),
  secretHash: dialect.text("secret_hash"),
  owner: dialect.text("owner"),
  tags: dialect.text("tags"),
  state: dialect.text("state"),
  usesMax: dialect.integer("uses_max"),
  uses: dialect.integer("uses"),
  createdAt: dialect.integer("created_at"),
  expiresAt: dialect.integer("expires_at"),
  createdBy: dialect.text("created_by"),
});

export const admissions = dialect.table("admissions", {
  node: dialect.text("node").primaryKey(),
  credential: dialect.text("credential"),
  admittedAt: dialect.integer("admitted_at"),
});

export const proposals = dialect.table("proposals", {
  id: dialect.text("id").primaryKey(),
  epoch: dialect.integer("epoch"),
  state: dialect.text("state"),
  reason: dialect.text("reason"),
  words: dialect.text("words"),
  createdAt: dialect.integer("created_at"),
  expiresAt: dialect.integer("expires_at"),
  envelope: dialect.text("envelope"),
});

export const objections = dialect.table(
  "objections",
  {
    proposal: dialect.text("proposal"),
    approver: dialect.text("approver"),
    reason: dialect.text("reason"),
    at: dialect.integer("at"),
  },
  (table) => [dialect.primary({ columns: [table.proposal, table.approver] })],
);

export const requests = dialect.table("requests", {
  node: dialect.text("node").primaryKey(),
  credential: dialect.text("credential"),
  state: dialect.text("state"),
  reason: dialect.text("reason"),
  askedAt: dialect.integer("asked_at"),
  envelope: dialect.text("envelope"),
});

export const entries = dialect.table("entries", {
  epoch: dialect.integer("epoch").primaryKey(),
  root: dialect.text("root"),
  acceptedAt: dialect.integer("accepted_at"),
  envelope: dialect.text("envelope"),
});

export const advertisements = dialect.table("advertisements", {
  node: dialect.text("node").primaryKey(),
  sequence: dialect.integer("sequence"),
  tunnelKey: dialect.text("tunnel_key"),
  expiresAt: dialect.integer("expires_at"),
  generation: dialect.integer("generation"),
  envelope: dialect.text("envelope"),
});

export const nonces = dialect.table(
  "nonces",
  {
    key: dialect.text("key"),
    nonce: dialect.text("nonce"),
    createdAt: dialect.integer("created_at"),
  },
  (table) => [dialect.primary({ columns: [table.key, table.nonce] })],
);

export const audit = dialect.table("audit", {
  sequence: dialect.integer("sequence").primaryKey(),
  at: dialect.integer("at"),
  actor: dialect.text("actor"),
  event: dialect.text("event"),
  subject: dialect.text("subject"),
  detail: dialect.text("detail"),
  hash: dialect.text("hash"),
});

export const counters = dialect.table("counters", {
  name: dialect.text("name").primaryKey(),
  value: dialect.integer("value"),
});

export const seen = dialect.table("seen", {
  node: dialect.text("node").primaryKey(),
  lastSeenAt: dialect.integer("last_seen_at"),
  appliedGeneration: dialect.maybeInteger("applied_generation"),
});
