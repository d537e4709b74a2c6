-- Version 1 of the store in PostgreSQL. Side by side with engine/store/sqlite/schema*.sql; what differs, differs because
-- several processes write: rows are locked, totals lie in stripes, and nothing is remembered that another may change.
-- Text compares byte by byte (COLLATE "C"), so that orders are those of every other store.

CREATE TABLE meta (                       -- schema, partitions, epoch; tide while virtual time stands; seen_from
  name text COLLATE "C" PRIMARY KEY,
  value bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO meta (name, value) VALUES ('partitions', 0), ('epoch', 0), ('seen_from', -9223372036854775808);

CREATE TABLE secrets (                    -- the key of fingerprints
  name text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);

CREATE TABLE partitions (                 -- how far each is applied and lived through, and whose it is
  partition integer PRIMARY KEY,
  position bigint NOT NULL DEFAULT 0,
  time bigint NOT NULL DEFAULT 0,
  owner text NOT NULL DEFAULT '',
  beat bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);                 -- a row a page: owners neither wait for each other's nor leave it
INSERT INTO partitions (partition) VALUES (0);

CREATE TABLE customers (                  -- thin: what queries ask, and what is locked; the value is in `states`
  num bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  oneid text COLLATE "C" NOT NULL UNIQUE,
  home integer NOT NULL DEFAULT 0,        -- the partition it lives in: ports/partitions.py
  known boolean NOT NULL DEFAULT false,   -- false: only mentioned, or merged away
  winner bigint,                          -- the number it was merged into, always one hop
  wake bigint NOT NULL DEFAULT 0,
  stage text NOT NULL DEFAULT '',
  reached text NOT NULL DEFAULT ''        -- stages ever reached, joined by commas
) WITH (fillfactor = 80);
CREATE INDEX customers_wake ON customers (home, wake, oneid) WHERE wake > 0;
CREATE INDEX customers_home ON customers (home, oneid) WHERE known;
CREATE INDEX customers_winner ON customers (winner) WHERE winner IS NOT NULL;

CREATE TABLE states (                     -- the customer as msgpack; `version` is the transaction that wrote it
  num bigint PRIMARY KEY,
  version bigint NOT NULL,
  body bytea NOT NULL
) WITH (fillfactor = 70, toast_tuple_target = 4080, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE states ALTER COLUMN body SET STORAGE MAIN;

CREATE TABLE seen (                       -- dedupe keys, a table for each slice of the log's time
  slice bigint NOT NULL,
  key bigint NOT NULL,
  place bigint NOT NULL,
  PRIMARY KEY (key, slice)
) PARTITION BY LIST (slice);

CREATE TABLE identifiers (                -- "kind:value" -> customer; a merged customer's lead on through `winner`
  name text COLLATE "C" PRIMARY KEY,
  num bigint NOT NULL
);
CREATE INDEX identifiers_customer ON identifiers (num);

CREATE TABLE runs (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  num bigint NOT NULL,
  journey text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  place text COLLATE "C" NOT NULL,        -- the step, or the outcome once ended
  entered bigint NOT NULL,
  active boolean NOT NULL,
  goal_until bigint NOT NULL,
  body bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX runs_customer ON runs (num);
CREATE INDEX runs_journey ON runs (journey, entered);
CREATE INDEX runs_underway ON runs (journey) WHERE active;

CREATE TABLE refiled (                    -- whom a run was filed under before: touches planned then stand there
  run text COLLATE "C" NOT NULL,
  num bigint NOT NULL,
  PRIMARY KEY (run, num)
);

CREATE TABLE touches (                    -- `body` is the whole TouchRow; the columns repeat what queries ask
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  num bigint NOT NULL,
  run text COLLATE "C" NOT NULL,
  journey text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  template text COLLATE "C" NOT NULL,
  planned bigint NOT NULL,
  priority bigint NOT NULL,
  state text COLLATE "C" NOT NULL,
  due bigint NOT NULL,
  lease_until bigint NOT NULL DEFAULT 0,
  provider text COLLATE "C" NOT NULL DEFAULT '',
  provider_id text COLLATE "C" NOT NULL DEFAULT '',
  claimant text NOT NULL DEFAULT '',      -- the dispatcher that is about to send it, and until when it is alone with it
  claimed_until bigint NOT NULL DEFAULT 0,
  body bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX touches_customer ON touches (num);
CREATE INDEX touches_queue ON touches (channel, priority DESC, due, seq) WHERE state IN ('planned', 'ready', 'deferred');
CREATE INDEX touches_run ON touches (run) WHERE state IN ('planned', 'ready', 'deferred');
CREATE INDEX touches_lease ON touches (lease_until) WHERE state = 'in_flight';
CREATE INDEX touches_doubtful ON touches (seq) WHERE state = 'uncertain';
CREATE INDEX touches_provider ON touches (provider_id, provider) WHERE provider_id <> '';

CREATE TABLE attempts (
  touch text COLLATE "C" NOT NULL,
  token bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (touch, token)
) WITH (fillfactor = 80);

CREATE TABLE facts (                      -- parked while `touch` is empty
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  touch text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  provider text COLLATE "C" NOT NULL,
  provider_id text COLLATE "C" NOT NULL,
  body bytea NOT NULL
);
CREATE INDEX facts_touch ON facts (touch, at) WHERE touch <> '';
CREATE INDEX facts_parked ON facts (provider_id, provider) WHERE touch = '';

CREATE TABLE effects (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text COLLATE "C" NOT NULL UNIQUE,
  journey text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  num bigint,
  body bytea NOT NULL
);
CREATE INDEX effects_customer ON effects (num) WHERE num IS NOT NULL;

CREATE SEQUENCE notes_seq;
CREATE TABLE notes (                      -- one row per customer and commit, a msgpack list of notes; a table a month
  seq bigint NOT NULL DEFAULT nextval('notes_seq'),
  at bigint NOT NULL,                     -- of the latest of them
  num bigint NOT NULL,
  body bytea NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX notes_customer ON notes (num, seq);

CREATE TABLE entries (                    -- what was applied, and the desk's log (places of partition 0); a table a month
  place bigint NOT NULL,
  at bigint NOT NULL,                     -- when it was received
  body bytea NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX entries_place ON entries (place);

CREATE TABLE dead (
  place bigint PRIMARY KEY,
  at bigint NOT NULL,
  reason text NOT NULL,
  body bytea NOT NULL
);

CREATE TABLE schedules (                  -- every partition calls its own customers
  journey text COLLATE "C" NOT NULL,
  home integer NOT NULL,
  due bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (journey, home)
);

CREATE TABLE flags (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE plans (
  journey text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  current boolean NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (journey, version)
);

CREATE TABLE tallies (                    -- kept totals; each writer adds to a stripe of its own, so that none waits
  kind text COLLATE "C" NOT NULL,
  a text COLLATE "C" NOT NULL,
  b text COLLATE "C" NOT NULL,
  c text COLLATE "C" NOT NULL,
  stripe integer NOT NULL,
  n bigint NOT NULL,
  value double precision NOT NULL,
  PRIMARY KEY (kind, a, b, c, stripe)
) WITH (fillfactor = 40);

CREATE TABLE releases (                   -- one row per publish, the templates with it
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL,
  body bytea NOT NULL
);

CREATE TABLE jobs (                       -- work that a publish left to do; gone when done
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  body bytea NOT NULL
);

CREATE TABLE pools (                      -- how full they are is a kept total: tallies, kinds 'free' and 'issued'
  num bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE codes (                      -- every code there ever was, in the order of stocking
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool bigint NOT NULL,
  code text COLLATE "C" NOT NULL,
  taken boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX codes_known ON codes (pool, code);
CREATE INDEX codes_free ON codes (pool, seq) WHERE NOT taken;

CREATE TABLE coupons (                    -- codes that customers got
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text COLLATE "C" NOT NULL UNIQUE,
  pool bigint NOT NULL,
  num bigint NOT NULL,
  code text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  run text NOT NULL,
  journey text NOT NULL,
  step text NOT NULL
);
CREATE INDEX coupons_customer ON coupons (num);
CREATE INDEX coupons_pool ON coupons (pool);

CREATE TABLE arms (                       -- how the arms of `winner` splits did, in stripes as well
  journey text COLLATE "C" NOT NULL,
  split text COLLATE "C" NOT NULL,
  arm text COLLATE "C" NOT NULL,
  stripe integer NOT NULL,
  tried bigint NOT NULL,
  won bigint NOT NULL,
  PRIMARY KEY (journey, split, arm, stripe)
) WITH (fillfactor = 40);

CREATE TABLE accounts (                   -- engine.core.state.Account as msgpack
  id text COLLATE "C" PRIMARY KEY,
  body bytea NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE merges (                     -- the merge log: `body` is the whole MergeRow
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  winner bigint NOT NULL,
  loser bigint NOT NULL,
  at bigint NOT NULL,
  body bytea NOT NULL
);
CREATE INDEX merges_winner ON merges (winner);
CREATE INDEX merges_loser ON merges (loser);

CREATE TABLE reviews (                    -- contested identifiers
  identifier text COLLATE "C" PRIMARY KEY,
  state text COLLATE "C" NOT NULL,
  last bigint NOT NULL,
  body bytea NOT NULL
);
CREATE INDEX reviews_latest ON reviews (state, last);

CREATE TABLE claims (                     -- the customers that a review names
  customer text COLLATE "C" NOT NULL,
  identifier text COLLATE "C" NOT NULL,
  PRIMARY KEY (customer, identifier)
);

CREATE TABLE label_names (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  UNIQUE (kind, name)
);

CREATE TABLE labels (                     -- who carries what; how many do is a kept total (tallies, kind 'label')
  label bigint NOT NULL,
  num bigint NOT NULL,
  since bigint NOT NULL,
  until bigint NOT NULL,
  PRIMARY KEY (label, num)
);
CREATE INDEX labels_customer ON labels (num);
CREATE INDEX labels_ending ON labels (until) WHERE until > 0;

CREATE TABLE erasures (                   -- the erasure ledger
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer text COLLATE "C" NOT NULL UNIQUE,
  at bigint NOT NULL,
  body bytea NOT NULL
);

CREATE TABLE erased (                     -- its fingerprints
  key text COLLATE "C" NOT NULL,
  erasure bigint NOT NULL,
  PRIMARY KEY (key, erasure)
);

CREATE TABLE suppressions (
  key text COLLATE "C" PRIMARY KEY,
  body bytea NOT NULL
);
