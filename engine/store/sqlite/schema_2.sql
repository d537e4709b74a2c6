-- Version 2 of store.db: releases and the work they leave to do, coupon pools, results of arms, accounts.
-- How many active runs a version has, and when its last goal window ends, are kept totals (tallies, kinds 'underway' and
-- 'open'), begun here from the runs there are.

CREATE TABLE releases (                   -- one row per publish, the templates with it
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  body BLOB NOT NULL
);

CREATE TABLE jobs (                       -- work that a publish left to do; gone when done
  seq INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  body BLOB NOT NULL
);

CREATE TABLE pools (
  num INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  free INTEGER NOT NULL DEFAULT 0,
  issued INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE codes (                      -- every code there ever was, in the order of stocking
  seq INTEGER PRIMARY KEY,
  pool INTEGER NOT NULL,
  code TEXT NOT NULL,
  taken INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX codes_known ON codes (pool, code);
CREATE INDEX codes_free ON codes (pool) WHERE taken = 0;

CREATE TABLE coupons (                    -- codes that customers got
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  pool INTEGER NOT NULL,
  num INTEGER NOT NULL,
  code TEXT NOT NULL,
  at INTEGER NOT NULL,
  run TEXT NOT NULL,
  journey TEXT NOT NULL,
  step TEXT NOT NULL
);
CREATE INDEX coupons_customer ON coupons (num);
CREATE INDEX coupons_pool ON coupons (pool);

CREATE TABLE arms (                       -- how the arms of `winner` splits did
  journey TEXT NOT NULL,
  split TEXT NOT NULL,
  arm TEXT NOT NULL,
  tried INTEGER NOT NULL,
  won INTEGER NOT NULL,
  PRIMARY KEY (journey, split, arm)
) WITHOUT ROWID;

CREATE TABLE accounts (                   -- engine.core.state.Account as msgpack
  id TEXT PRIMARY KEY,
  body BLOB NOT NULL
);

INSERT INTO tallies (kind, a, b, c, n, value)
SELECT 'underway', journey, version, '', count(*), 0 FROM runs WHERE active = 1 GROUP BY journey, version;

INSERT INTO tallies (kind, a, b, c, n, value)
SELECT 'open', journey, version, '', max(goal_until), 0 FROM runs WHERE goal_until > 0 GROUP BY journey, version;

CREATE INDEX runs_underway ON runs (journey) WHERE active = 1;

-- Timers of one instant come by customer, whatever the store: who is first gets the last code of a pool.
DROP INDEX customers_wake;
CREATE INDEX customers_wake ON customers (wake, oneid) WHERE wake > 0;
