-- Version 1 of store.db. Customers have dense integer numbers: the tables below refer to those, never to the text id.
-- Every index serves a named query of queries.sql; random text keys are kept to what must be unique.

CREATE TABLE meta (                       -- the applied offset and the log's time
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE customers (                  -- thin: what queries ask; the value itself is in `states`
  num INTEGER PRIMARY KEY,
  oneid TEXT NOT NULL UNIQUE,
  known INTEGER NOT NULL DEFAULT 0,       -- 0: only mentioned, or merged away
  winner INTEGER,                         -- the number it was merged into, always one hop
  wake INTEGER NOT NULL DEFAULT 0,
  stage TEXT NOT NULL DEFAULT '',
  reached TEXT NOT NULL DEFAULT ''        -- stages ever reached, joined by commas
);
CREATE INDEX customers_wake ON customers (wake) WHERE wake > 0;
CREATE INDEX customers_winner ON customers (winner) WHERE winner IS NOT NULL;

CREATE TABLE states (                     -- the customer as msgpack (engine.core.state), unless `redo` has a later one
  num INTEGER PRIMARY KEY,
  body BLOB NOT NULL
);

CREATE TABLE redo (                       -- what commits changed in `states` and `seen_*` but did not write there yet
  seq INTEGER PRIMARY KEY,
  body BLOB NOT NULL
);

CREATE TABLE identifiers (                -- "kind:value" -> customer; a merged customer's lead on through `winner`
  name TEXT PRIMARY KEY,
  num INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  num INTEGER NOT NULL,
  journey TEXT NOT NULL,
  version TEXT NOT NULL,
  place TEXT NOT NULL,                    -- the step, or the outcome once ended
  entered INTEGER NOT NULL,
  active INTEGER NOT NULL,
  goal_until INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX runs_customer ON runs (num);
CREATE INDEX runs_journey ON runs (journey, entered);

CREATE TABLE touches (                    -- `body` is the whole TouchRow; the columns repeat what queries ask
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  num INTEGER NOT NULL,
  run TEXT NOT NULL,
  journey TEXT NOT NULL,
  channel TEXT NOT NULL,
  template TEXT NOT NULL,
  planned INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL,
  due INTEGER NOT NULL,
  lease_until INTEGER NOT NULL DEFAULT 0,
  provider TEXT NOT NULL DEFAULT '',
  provider_id TEXT NOT NULL DEFAULT '',
  body BLOB NOT NULL
);
CREATE INDEX touches_customer ON touches (num);
CREATE INDEX touches_queue ON touches (channel, priority DESC, due) WHERE state IN ('planned', 'ready', 'deferred');
CREATE INDEX touches_run ON touches (run) WHERE state IN ('planned', 'ready', 'deferred');
CREATE INDEX touches_lease ON touches (lease_until) WHERE state = 'in_flight';
CREATE INDEX touches_doubtful ON touches (state) WHERE state = 'uncertain';
CREATE INDEX touches_provider ON touches (provider_id, provider) WHERE provider_id <> '';

CREATE TABLE attempts (
  touch TEXT NOT NULL,
  token INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (touch, token)
) WITHOUT ROWID;

CREATE TABLE facts (                      -- parked while `touch` is empty
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  touch TEXT NOT NULL,
  at INTEGER NOT NULL,
  provider TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX facts_touch ON facts (touch, at) WHERE touch <> '';
CREATE INDEX facts_parked ON facts (provider_id, provider) WHERE touch = '';

CREATE TABLE effects (
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  journey TEXT NOT NULL,
  kind TEXT NOT NULL,
  body BLOB NOT NULL
);

CREATE TABLE notes (                      -- one row per customer and commit: a msgpack list of notes
  seq INTEGER PRIMARY KEY,
  num INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX notes_customer ON notes (num);

CREATE TABLE dead (
  offset INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body BLOB NOT NULL
);

CREATE TABLE schedules (
  journey TEXT PRIMARY KEY,
  due INTEGER NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE flags (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE plans (
  journey TEXT NOT NULL,
  version TEXT NOT NULL,
  current INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (journey, version)
) WITHOUT ROWID;

CREATE TABLE tallies (                    -- kept totals, so that a scrape of /metrics scans nothing
  kind TEXT NOT NULL,
  a TEXT NOT NULL,
  b TEXT NOT NULL,
  c TEXT NOT NULL,
  n INTEGER NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (kind, a, b, c)
) WITHOUT ROWID;

-- Dedupe keys live in tables seen_<slice>, made when a slice of the log's time begins and dropped when it has passed.
