-- What a control server keeps. Rows are added and their counters grow; what must never change back
-- is held by triggers, below whatever the program believes.

CREATE TABLE credentials (
  id TEXT PRIMARY KEY,
  secret_hash TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  tags TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('created', 'used', 'expired', 'revoked')),
  uses_max INTEGER NOT NULL CHECK (uses_max >= 1),
  uses INTEGER NOT NULL CHECK (uses >= 0 AND uses <= uses_max),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  created_by TEXT NOT NULL
) STRICT;

CREATE TRIGGER credentials_have_no_way_out BEFORE UPDATE ON credentials
WHEN OLD.state <> 'created'
BEGIN
  SELECT RAISE(ABORT, 'a credential that is used, expired or revoked stays so');
END;

CREATE TRIGGER credentials_are_kept BEFORE DELETE ON credentials
BEGIN
  SELECT RAISE(ABORT, 'credentials are kept');
END;

-- Which credential let a node in, so that a node whose answer got lost can ask again.
CREATE TABLE admissions (
  node TEXT PRIMARY KEY,
  credential TEXT NOT NULL REFERENCES credentials (id),
  admitted_at INTEGER NOT NULL
) STRICT;

-- The membership log. Epoch 0 is the genesis statement.
CREATE TABLE entries (
  epoch INTEGER PRIMARY KEY,
  root TEXT NOT NULL UNIQUE,
  accepted_at INTEGER NOT NULL,
  envelope TEXT NOT NULL
) STRICT;

CREATE TRIGGER entries_are_final BEFORE UPDATE ON entries
BEGIN
  SELECT RAISE(ABORT, 'the log only grows');
END;

CREATE TRIGGER entries_are_kept BEFORE DELETE ON entries
BEGIN
  SELECT RAISE(ABORT, 'the log only grows');
END;

CREATE TABLE advertisements (
  node TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL,
  tunnel_key TEXT NOT NULL UNIQUE,
  expires_at INTEGER NOT NULL,
  generation INTEGER NOT NULL UNIQUE,
  envelope TEXT NOT NULL
) STRICT;

CREATE TABLE nonces (
  key TEXT NOT NULL,
  nonce TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (key, nonce)
) STRICT;
CREATE INDEX nonces_by_age ON nonces (created_at);

CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  event TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_final BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'audit records are final');
END;

CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'audit records are kept');
END;

-- Counters that only grow: the map generation, and the moment before which all nonces are forgotten.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('generation', 0), ('nonce_floor', 0);

CREATE TRIGGER counters_only_grow BEFORE UPDATE ON counters
WHEN NEW.value < OLD.value
BEGIN
  SELECT RAISE(ABORT, 'a counter only grows');
END;

CREATE TABLE seen (
  node TEXT PRIMARY KEY,
  last_seen_at INTEGER NOT NULL,
  applied_generation INTEGER
) STRICT;
