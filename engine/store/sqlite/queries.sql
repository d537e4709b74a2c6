-- Every statement of the SQLite store, each with its name and what it is for. Loaded by queries.py.
-- carray(?) is a list bound as one value: one step for many keys.

-- name: meta
-- The applied offset and the log's time.
SELECT name, value FROM meta;

-- name: put_meta
-- Moves the offset or the log's time.
INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: slices
-- The dedupe tables there are.
SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'seen_[0-9]*';

-- name: resolve
-- Identifier names to the customers they stand for today.
SELECT a.value, coalesce(w.oneid, c.oneid)
FROM carray(?1) AS a
CROSS JOIN identifiers AS i ON i.name = a.value
CROSS JOIN customers AS c ON c.num = i.num
LEFT JOIN customers AS w ON w.num = c.winner;

-- name: numbers
-- Ids to their own numbers, and to the index columns of whom they stand for today.
SELECT a.value, c.num, r.num, r.oneid, r.known, r.wake, r.stage, r.reached
FROM carray(?1) AS a
CROSS JOIN customers AS c ON c.oneid = a.value
CROSS JOIN customers AS r ON r.num = coalesce(c.winner, c.num);

-- name: roots
-- Ids to the numbers they stand for, merged ids followed.
SELECT a.value, coalesce(c.winner, c.num) FROM carray(?1) AS a CROSS JOIN customers AS c ON c.oneid = a.value;

-- name: states
-- Values by number, as the table has them.
SELECT s.num, s.body FROM carray(?1) AS a CROSS JOIN states AS s ON s.num = a.value;

-- name: put_redo
-- What one commit changed.
INSERT INTO redo (seq, body) VALUES (?1, ?2);

-- name: redo_span
-- The first and the last change that is kept.
SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM redo;

-- name: redo_after
-- The changes after one that is known.
SELECT seq, body FROM redo WHERE seq > ?1 ORDER BY seq;

-- name: drop_redo
-- Changes that have all been written down; the last one stays, so that numbers go on from it and readers see it pass.
DELETE FROM redo WHERE seq <= ?1 AND seq < (SELECT max(seq) FROM redo);

-- name: clear_redo
-- A change without what was erased.
UPDATE redo SET body = ?1 WHERE seq = ?2;

-- name: last_number
-- The highest customer number given.
SELECT coalesce(max(num), 0) FROM customers;

-- name: add_customer
-- An id heard of for the first time.
INSERT INTO customers (num, oneid) VALUES (?1, ?2);

-- name: move_customer
-- New index columns of a customer; skipped when none changed.
UPDATE customers SET known = 1, wake = ?2, stage = ?3, reached = ?4 WHERE num = ?1;

-- name: put_state
-- A customer's value is written down.
INSERT INTO states (num, body) VALUES (?1, ?2) ON CONFLICT (num) DO UPDATE SET body = excluded.body;

-- name: put_identifier
-- Points an identifier at a customer.
INSERT INTO identifiers (name, num) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET num = excluded.num;

-- name: drop_state
-- The value of a customer that is gone goes.
DELETE FROM states WHERE num = ?1;

-- name: due
-- Customers with a timer due, earliest first, and by id at one instant.
SELECT oneid, wake FROM customers WHERE wake > 0 AND wake <= ?1 ORDER BY wake, oneid LIMIT ?2;

-- name: next_due
-- The earliest timer.
SELECT wake FROM customers WHERE wake > 0 ORDER BY wake LIMIT 1;

-- name: scan
-- A page of customer ids in id order.
SELECT oneid FROM customers WHERE oneid > ?1 AND known = 1 ORDER BY oneid LIMIT ?2;

-- name: queue_channel
-- The next channel that has a queue.
SELECT channel FROM touches
WHERE state IN ('planned', 'ready', 'deferred') AND channel > ?1 ORDER BY channel LIMIT 1;

-- name: queue_top
-- The highest priority in a channel's queue.
SELECT priority FROM touches
WHERE state IN ('planned', 'ready', 'deferred') AND channel = ?1 ORDER BY priority DESC LIMIT 1;

-- name: queue_below
-- The next lower priority in a channel's queue.
SELECT priority FROM touches
WHERE state IN ('planned', 'ready', 'deferred') AND channel = ?1 AND priority < ?2 ORDER BY priority DESC LIMIT 1;

-- name: queue_due
-- The due touches of one channel and priority, earliest first.
SELECT priority, due, seq, body FROM touches
WHERE state IN ('planned', 'ready', 'deferred') AND channel = ?1 AND priority = ?2 AND due <= ?3
ORDER BY due LIMIT ?4;

-- name: queue_next
-- When the first touch of one channel and priority is due.
SELECT due FROM touches
WHERE state IN ('planned', 'ready', 'deferred') AND channel = ?1 AND priority = ?2 ORDER BY due LIMIT 1;

-- name: lapsed
-- Hand-offs whose lease ended, the longest ago first.
SELECT body FROM touches WHERE state = 'in_flight' AND lease_until < ?1 ORDER BY lease_until, seq LIMIT ?2;

-- name: touches
-- Touches by id.
SELECT t.id, t.seq, t.body FROM carray(?1) AS a CROSS JOIN touches AS t ON t.id = a.value;

-- name: touches_of_runs
-- The touches of some runs that have not left yet.
SELECT t.id, t.seq, t.body FROM carray(?1) AS a
CROSS JOIN touches AS t ON t.run = a.value AND t.state IN ('planned', 'ready', 'deferred') ORDER BY t.seq;

-- name: touches_by_provider
-- The touches under a provider's id.
SELECT body FROM touches WHERE provider_id = ?2 AND provider = ?1 AND provider_id <> '' ORDER BY seq;

-- name: add_touch
-- A touch planned for the first time.
INSERT INTO touches (seq, id, num, run, journey, channel, template, planned, priority, state, due, lease_until,
  provider, provider_id, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15);

-- name: move_touch
-- Where a touch stands now.
UPDATE touches SET state = ?2, due = ?3, lease_until = ?4, provider = ?5, provider_id = ?6, body = ?7 WHERE seq = ?1;

-- name: last_touch
-- The highest touch number given.
SELECT coalesce(max(seq), 0) FROM touches;

-- name: runs_by_id
-- What the tallies need of runs that are written again.
SELECT r.id, r.seq, r.journey, r.version, r.place, r.active, r.num, r.entered FROM carray(?1) AS a CROSS JOIN runs AS r ON r.id = a.value;

-- name: add_run
-- A run entered.
INSERT INTO runs (id, num, journey, entered, version, place, active, goal_until, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);

-- name: move_run
-- A run moved or ended.
UPDATE runs SET version = ?1, place = ?2, active = ?3, goal_until = ?4, body = ?5 WHERE seq = ?6;

-- name: refile_run
-- A run written again as another customer's or with another entrance: these columns are in indexes.
UPDATE runs SET num = ?2, journey = ?3, entered = ?4 WHERE seq = ?1;

-- name: put_attempt
-- One hand-off, begun or ended.
INSERT INTO attempts (touch, token, body) VALUES (?1, ?2, ?3)
ON CONFLICT (touch, token) DO UPDATE SET body = excluded.body;

-- name: attempts
-- The hand-offs of a touch.
SELECT body FROM attempts WHERE touch = ?1 ORDER BY token;

-- name: put_fact
-- A receipt; a parked one may still find its touch, an applied one stays.
INSERT INTO facts (id, touch, at, provider, provider_id, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (id) DO UPDATE SET touch = excluded.touch, at = excluded.at, provider = excluded.provider,
  provider_id = excluded.provider_id, body = excluded.body
WHERE facts.touch = '';

-- name: has_fact
-- Was this receipt seen?
SELECT 1 FROM facts WHERE id = ?1;

-- name: facts
-- The receipts of a touch.
SELECT body FROM facts WHERE touch = ?1 AND touch <> '' ORDER BY at, seq;

-- name: parked
-- The receipts that wait for their touch.
SELECT body FROM facts WHERE provider_id = ?2 AND provider = ?1 AND touch = '' ORDER BY seq;

-- name: count_parked
-- How many receipts wait for their touch.
SELECT count(*) FROM facts WHERE touch = '';

-- name: add_effect
-- An effect, counted once per key; returns a row only when it is new.
INSERT INTO effects (key, journey, kind, body, num) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO NOTHING RETURNING seq;

-- name: effects
-- Effects, oldest first.
SELECT body FROM effects WHERE (?1 = '' OR journey = ?1) AND (?2 = '' OR kind = ?2) ORDER BY seq LIMIT ?3;

-- name: effects_of_person
-- Effects of the person that an id stands for, oldest first.
WITH root(num) AS (SELECT coalesce(winner, num) FROM customers WHERE oneid = ?4),
  person(num) AS (
    SELECT num FROM root UNION ALL SELECT c.num FROM root CROSS JOIN customers AS c ON c.winner = root.num
  )
SELECT e.body FROM person CROSS JOIN effects AS e ON e.num = person.num
WHERE (?1 = '' OR e.journey = ?1) AND (?2 = '' OR e.kind = ?2) ORDER BY e.seq LIMIT ?3;

-- name: add_notes
-- A customer's trace lines of one commit.
INSERT INTO notes (num, body) VALUES (?1, ?2);

-- name: notes
-- The trace under one number, newest commit first.
SELECT body FROM notes WHERE num = ?1 ORDER BY seq DESC;

-- name: notes_of_many
-- The trace under several numbers, newest commit first.
SELECT n.body FROM carray(?1) AS a CROSS JOIN notes AS n ON n.num = a.value ORDER BY n.seq DESC;

-- name: runs
-- Runs, newest entrance first.
SELECT o.oneid, r.body FROM runs AS r CROSS JOIN customers AS c ON c.num = r.num
CROSS JOIN customers AS o ON o.num = coalesce(c.winner, c.num)
WHERE (?1 = '' OR r.journey = ?1) AND (?2 < 0 OR r.active = ?2) ORDER BY r.entered DESC, r.id LIMIT ?3;

-- name: runs_of_journey
-- A journey's runs, newest entrance first.
SELECT o.oneid, r.body FROM runs AS r CROSS JOIN customers AS c ON c.num = r.num
CROSS JOIN customers AS o ON o.num = coalesce(c.winner, c.num)
WHERE r.journey = ?1 AND (?2 < 0 OR r.active = ?2) ORDER BY r.entered DESC, r.id LIMIT ?3;

-- name: runs_of_customer
-- A customer's runs, newest entrance first.
WITH root(num, oneid) AS (
  SELECT o.num, o.oneid FROM customers AS a CROSS JOIN customers AS o ON o.num = coalesce(a.winner, a.num)
  WHERE a.oneid = ?4
), person(num) AS (
  SELECT num FROM root UNION ALL SELECT c.num FROM root CROSS JOIN customers AS c ON c.winner = root.num
)
SELECT root.oneid, r.body FROM root CROSS JOIN person CROSS JOIN runs AS r ON r.num = person.num
WHERE (?1 = '' OR r.journey = ?1) AND (?2 < 0 OR r.active = ?2)
ORDER BY r.entered DESC, r.id LIMIT ?3;

-- name: add_dead
-- An entry that could not be applied, kept once.
INSERT INTO dead (offset, at, reason, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (offset) DO NOTHING;

-- name: dead
-- Entries that could not be applied, newest first.
SELECT offset, at, reason, body FROM dead ORDER BY offset DESC LIMIT ?1;

-- name: count_dead
-- How many entries could not be applied.
SELECT count(*) FROM dead;

-- name: put_schedule
-- The next time of a scheduled entrance.
INSERT INTO schedules (journey, due, body) VALUES (?1, ?2, ?3)
ON CONFLICT (journey) DO UPDATE SET due = excluded.due, body = excluded.body;

-- name: schedules
-- Scheduled entrances, earliest first.
SELECT body FROM schedules ORDER BY due, journey;

-- name: put_flag
-- Raises an operator's flag.
INSERT INTO flags (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: drop_flag
-- Lowers an operator's flag.
DELETE FROM flags WHERE name = ?1;

-- name: flags
-- The operator's flags.
SELECT name, value FROM flags;

-- name: retire_plans
-- No version of the journey is current.
UPDATE plans SET current = 0 WHERE journey = ?1 AND current = 1;

-- name: put_plan
-- A published plan is its journey's current version.
INSERT INTO plans (journey, version, current, body) VALUES (?1, ?2, 1, ?3)
ON CONFLICT (journey, version) DO UPDATE SET current = 1, body = excluded.body;

-- name: plans
-- Plans that are current or still travelled, or whose goal window is open at ?1. The kept totals say where to look.
SELECT p.body FROM plans AS p
WHERE p.current = 1 OR EXISTS (
  SELECT 1 FROM tallies AS t
  WHERE t.kind = 'underway' AND t.a = p.journey AND t.b = p.version AND t.c = '' AND t.n > 0
) OR (EXISTS (
  SELECT 1 FROM tallies AS t
  WHERE t.kind = 'open' AND t.a = p.journey AND t.b = p.version AND t.c = '' AND t.n > ?1
) AND EXISTS (
  SELECT 1 FROM runs AS r WHERE r.journey = p.journey AND r.version = p.version AND r.goal_until > ?1
))
ORDER BY p.journey, p.version;

-- name: current
-- Journeys and their current versions.
SELECT journey, version FROM plans WHERE current = 1;

-- name: add_tally
-- Adds to a kept total.
INSERT INTO tallies (kind, a, b, c, n, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (kind, a, b, c) DO UPDATE SET n = n + excluded.n, value = value + excluded.value;

-- name: raise_tally
-- Keeps the highest value there ever was: the end of a version's last goal window.
INSERT INTO tallies (kind, a, b, c, n, value) VALUES (?1, ?2, ?3, '', ?4, 0)
ON CONFLICT (kind, a, b, c) DO UPDATE SET n = excluded.n WHERE n < excluded.n;

-- name: tallies
-- The kept totals.
SELECT kind, a, b, c, n, value FROM tallies WHERE n <> 0;

-- name: plan
-- One version of a journey, current or not.
SELECT body FROM plans WHERE journey = ?1 AND version = ?2;

-- name: drop_schedule
-- A journey that is gone has no next time.
DELETE FROM schedules WHERE journey = ?1;

-- name: add_release
-- What was published.
INSERT INTO releases (id, body) VALUES (?1, ?2);

-- name: releases
-- What was published, newest first.
SELECT body FROM releases ORDER BY seq DESC LIMIT ?1;

-- name: put_job
-- Work that a publish left to do, or how far it got.
INSERT INTO jobs (name, body) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET body = excluded.body;

-- name: drop_job
-- Work that is done.
DELETE FROM jobs WHERE name = ?1;

-- name: jobs
-- Work that publishes left to do, as asked for.
SELECT body FROM jobs ORDER BY seq;

-- name: underway
-- How many active runs a journey has in other versions.
SELECT coalesce(sum(n), 0) FROM tallies WHERE kind = 'underway' AND a = ?1 AND b <> ?2;

-- name: travellers_few
-- Customers with an active run in another version: by way of the journey's runs.
SELECT DISTINCT o.oneid FROM runs AS r INDEXED BY runs_underway CROSS JOIN customers AS c ON c.num = r.num
CROSS JOIN customers AS o ON o.num = coalesce(c.winner, c.num)
WHERE r.journey = ?1 AND r.version <> ?2 AND r.active = 1 AND o.oneid > ?3 ORDER BY o.oneid LIMIT ?4;

-- name: travellers_many
-- The same by way of the customers, cheaper when they are many.
SELECT c.oneid FROM customers AS c
WHERE c.oneid > ?3 AND c.winner IS NULL AND (EXISTS (
  SELECT 1 FROM runs AS r INDEXED BY runs_customer
  WHERE r.num = c.num AND r.journey = ?1 AND r.version <> ?2 AND r.active = 1
) OR EXISTS (
  SELECT 1 FROM customers AS l INDEXED BY customers_winner CROSS JOIN runs AS r INDEXED BY runs_customer ON r.num = l.num
  WHERE l.winner = c.num AND r.journey = ?1 AND r.version <> ?2 AND r.active = 1
))
ORDER BY c.oneid LIMIT ?4;

-- name: add_pool
-- A pool heard of for the first time.
INSERT INTO pools (name) VALUES (?1) ON CONFLICT (name) DO NOTHING;

-- name: pool
-- The number of a pool.
SELECT num FROM pools WHERE name = ?1;

-- name: move_pool
-- More codes in a pool, or fewer.
UPDATE pools SET free = free + ?2, issued = issued + ?3 WHERE num = ?1;

-- name: pools
-- How full the pools are.
SELECT name, free, issued FROM pools ORDER BY name;

-- name: add_code
-- A code is stocked; a known one is left alone.
INSERT INTO codes (pool, code) VALUES (?1, ?2) ON CONFLICT (pool, code) DO NOTHING;

-- name: take_code
-- A free code is somebody's now.
UPDATE codes SET taken = 1 WHERE pool = ?1 AND code = ?2 AND taken = 0;

-- name: codes
-- The next free codes of a pool.
SELECT code FROM codes WHERE pool = (SELECT num FROM pools WHERE name = ?1) AND taken = 0 ORDER BY seq LIMIT ?2;

-- name: add_coupon
-- A code that a customer got, once per key.
INSERT INTO coupons (key, pool, num, code, at, run, journey, step) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (key) DO NOTHING;

-- name: coupons
-- The codes issued, newest first.
SELECT p.name, k.code, k.key, c.oneid, k.at, k.run, k.journey, k.step
FROM coupons AS k CROSS JOIN pools AS p ON p.num = k.pool CROSS JOIN customers AS a ON a.num = k.num
CROSS JOIN customers AS c ON c.num = coalesce(a.winner, a.num)
ORDER BY k.seq DESC LIMIT ?1;

-- name: coupons_of_pool
-- The codes issued of one pool, newest first.
SELECT p.name, k.code, k.key, c.oneid, k.at, k.run, k.journey, k.step
FROM pools AS p CROSS JOIN coupons AS k ON k.pool = p.num CROSS JOIN customers AS a ON a.num = k.num
CROSS JOIN customers AS c ON c.num = coalesce(a.winner, a.num)
WHERE p.name = ?1 ORDER BY k.seq DESC LIMIT ?2;

-- name: coupons_of_customer
-- The codes that a customer got, newest first.
WITH root(num, oneid) AS (
  SELECT o.num, o.oneid FROM customers AS a CROSS JOIN customers AS o ON o.num = coalesce(a.winner, a.num)
  WHERE a.oneid = ?1
), person(num) AS (
  SELECT num FROM root UNION ALL SELECT c.num FROM root CROSS JOIN customers AS c ON c.winner = root.num
)
SELECT p.name, k.code, k.key, root.oneid, k.at, k.run, k.journey, k.step
FROM root CROSS JOIN person CROSS JOIN coupons AS k ON k.num = person.num CROSS JOIN pools AS p ON p.num = k.pool
WHERE ?2 = '' OR p.name = ?2 ORDER BY k.seq DESC LIMIT ?3;

-- name: add_arm
-- An arm was tried, or won, more often.
INSERT INTO arms (journey, split, arm, tried, won) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (journey, split, arm) DO UPDATE SET tried = tried + excluded.tried, won = won + excluded.won;

-- name: arms
-- How the arms of a split did.
SELECT arm, tried, won FROM arms WHERE journey = ?1 AND split = ?2 ORDER BY arm;

-- name: put_account
-- What is known of an account.
INSERT INTO accounts (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body;

-- name: accounts
-- Accounts by id.
SELECT t.body FROM carray(?1) AS a CROSS JOIN accounts AS t ON t.id = a.value;

-- name: oldest_notes
-- The oldest traces, as many as one look is to see.
SELECT seq, body FROM notes ORDER BY seq LIMIT ?1;

-- name: drop_notes
-- Traces that are kept no longer.
DELETE FROM notes WHERE seq <= ?1;

-- name: oldest_touches
-- Touches that were planned before an instant and have ended, the oldest first; what came after is not looked at.
SELECT seq, id, journey, channel, state, body FROM touches
WHERE planned < ?1 AND state IN ('sent', 'failed', 'dropped', 'expired', 'cancelled')
AND seq < coalesce((SELECT seq FROM touches WHERE planned >= ?1 ORDER BY seq LIMIT 1), 9223372036854775807)
ORDER BY seq LIMIT ?2;

-- name: drop_touch
-- A touch that is kept no longer.
DELETE FROM touches WHERE seq = ?1;

-- name: drop_attempts
-- Its hand-overs.
DELETE FROM attempts WHERE touch = ?1;

-- name: drop_facts
-- Its receipts.
DELETE FROM facts WHERE touch <> '' AND touch = ?1;

-- name: drop_parked
-- Receipts whose touch never became known.
DELETE FROM facts WHERE seq IN (SELECT seq FROM facts WHERE touch = '' AND at < ?1 LIMIT ?2) RETURNING seq;

-- name: oldest_runs
-- Runs that were begun before an instant and are over, the oldest first; what came after is not looked at.
SELECT seq, id, journey, version, place, body FROM runs
WHERE entered < ?1 AND active = 0 AND goal_until < ?1
AND seq < coalesce((SELECT seq FROM runs WHERE entered >= ?1 ORDER BY seq LIMIT 1), 9223372036854775807)
ORDER BY seq LIMIT ?2;

-- name: drop_run
-- A run that is kept no longer.
DELETE FROM runs WHERE seq = ?1;

-- name: drop_refiled
-- Whom it was filed under before.
DELETE FROM refiled WHERE run = ?1;

-- name: touches_to_drop
-- Touches by id, with what the tallies lose.
SELECT t.seq, t.id, t.journey, t.channel, t.state FROM carray(?1) AS a CROSS JOIN touches AS t ON t.id = a.value;
