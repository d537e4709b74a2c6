-- Version 3 of store.db: merges that can be taken back, labels, the erasure ledger and suppressions.
-- From here on a merge moves no row: what was written for an id stays under its number, and whoever reads a person asks
-- for the winner's number and for all that lead to it (customers_winner). Older merges had moved theirs: they stay moved.

CREATE TABLE merges (                     -- the merge log: `body` is the whole MergeRow
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  winner INTEGER NOT NULL,
  loser INTEGER NOT NULL,
  at INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX merges_winner ON merges (winner);
CREATE INDEX merges_loser ON merges (loser);

CREATE TABLE refiled (                    -- whom a run was filed under before: touches planned then stand there
  run TEXT NOT NULL,
  num INTEGER NOT NULL,
  PRIMARY KEY (run, num)
) WITHOUT ROWID;

CREATE TABLE reviews (                    -- contested identifiers
  identifier TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  last INTEGER NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX reviews_latest ON reviews (state, last);

CREATE TABLE claims (                     -- the customers that a review names
  customer TEXT NOT NULL,
  identifier TEXT NOT NULL,
  PRIMARY KEY (customer, identifier)
) WITHOUT ROWID;

CREATE TABLE label_names (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (kind, name)
);

CREATE TABLE labels (                     -- who carries what; how many do is a kept total (tallies, kind 'label')
  label INTEGER NOT NULL,
  num INTEGER NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (label, num)
) WITHOUT ROWID;
CREATE INDEX labels_customer ON labels (num);
CREATE INDEX labels_ending ON labels (until) WHERE until > 0;

CREATE TABLE erasures (                   -- the erasure ledger
  seq INTEGER PRIMARY KEY,
  customer TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  body BLOB NOT NULL
);

CREATE TABLE erased (                     -- its fingerprints
  key TEXT NOT NULL,
  erasure INTEGER NOT NULL,
  PRIMARY KEY (key, erasure)
) WITHOUT ROWID;

CREATE TABLE suppressions (
  key TEXT PRIMARY KEY,
  body BLOB NOT NULL
) WITHOUT ROWID;

-- What an erasure must find of a customer.
CREATE INDEX identifiers_customer ON identifiers (num);
ALTER TABLE effects ADD COLUMN num INTEGER;
UPDATE effects SET num = (SELECT c.num FROM customers AS c WHERE c.oneid = effect_customer(effects.body));
CREATE INDEX effects_customer ON effects (num) WHERE num IS NOT NULL;

-- Who was there before labels were kept: bring their segments up to date, and write down what they carry.
INSERT INTO jobs (name, body)
SELECT 'settle:labels', label_job(count(*), coalesce((SELECT value FROM meta WHERE name = 'now'), 0)) FROM customers
WHERE known = 1 AND winner IS NULL AND EXISTS (SELECT 1 FROM releases)
HAVING count(*) > 0;
