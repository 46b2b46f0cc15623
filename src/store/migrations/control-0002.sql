-- Membership by a quorum: what is proposed and not decided yet, and who asks to join meanwhile.

CREATE TABLE proposals (
  id TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (
    state IN ('pending', 'applied', 'rejected', 'expired', 'superseded', 'conflicting')
  ),
  -- Why it ended, where a person or the log said why.
  reason TEXT NOT NULL,
  -- What it changes, in words, as it was when it came in: a JSON array.
  words TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- With all signatures that have come in so far.
  envelope TEXT NOT NULL
) STRICT;
CREATE INDEX proposals_by_epoch ON proposals (epoch);

CREATE TRIGGER proposals_that_ended_stay BEFORE UPDATE ON proposals
WHEN OLD.state NOT IN ('pending', 'conflicting')
  -- Signatures that come late may show that a quorum had signed two changes of one state.
  AND NOT (OLD.state = 'superseded' AND NEW.state = 'conflicting')
BEGIN
  SELECT RAISE(ABORT, 'a proposal that has ended stays so');
END;

CREATE TRIGGER proposals_are_kept BEFORE DELETE ON proposals
BEGIN
  SELECT RAISE(ABORT, 'proposals are kept');
END;

-- Approvers who are against a proposal, and why.
CREATE TABLE objections (
  proposal TEXT NOT NULL REFERENCES proposals (id),
  approver TEXT NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (proposal, approver)
) STRICT;

-- Machines that showed a credential and wait for approvers. The credential's use is taken.
CREATE TABLE requests (
  node TEXT PRIMARY KEY,
  credential TEXT NOT NULL REFERENCES credentials (id),
  state TEXT NOT NULL CHECK (state IN ('pending', 'admitted', 'rejected')),
  reason TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  envelope TEXT NOT NULL
) STRICT;
