-- The statements of the PostgreSQL store, named as SQLite's are, each with what it is for. Loaded by queries.py.
-- An array is a list bound as one value: one step for many keys. What only a shared store needs is in shared.sql.

-- name: seen
-- Dedupe keys that are remembered, the latest slice last.
SELECT key, place FROM seen
WHERE key = ANY($1::bigint[]) AND slice >= (SELECT value FROM meta WHERE name = 'seen_from') ORDER BY slice;

-- name: put_seen
-- Remembers dedupe keys, or where they stand by now.
INSERT INTO seen (slice, key, place)
SELECT $1, a.key, a.place FROM unnest($2::bigint[], $3::bigint[]) AS a(key, place) ORDER BY a.key
ON CONFLICT (key, slice) DO UPDATE SET place = excluded.place;

-- name: add_seen
-- Remembers dedupe keys that nobody has remembered yet; fewer rows than keys: somebody has.
INSERT INTO seen (slice, key, place)
SELECT $1, a.key, a.place FROM unnest($2::bigint[], $3::bigint[]) AS a(key, place) ORDER BY a.key
ON CONFLICT (key, slice) DO NOTHING;

-- name: resolve
-- Identifier names to the customers they stand for today.
SELECT i.name, r.oneid, r.num
FROM identifiers AS i JOIN customers AS c ON c.num = i.num JOIN customers AS r ON r.num = coalesce(c.winner, c.num)
WHERE i.name = ANY($1::text[]);

-- name: values
-- Ids to whom they stand for, and the values that are not known in that version already.
SELECT a.oneid, r.oneid, s.version, CASE WHEN s.version <> a.version OR r.num <> c.num THEN s.body END
FROM unnest($1::text[], $2::bigint[]) AS a(oneid, version) JOIN customers AS c ON c.oneid = a.oneid
JOIN customers AS r ON r.num = coalesce(c.winner, c.num) JOIN states AS s ON s.num = r.num;

-- name: numbers
-- Ids to their own numbers, to the index columns of whom they stand for today, and to values not known already.
SELECT a.oneid, c.num, r.num, r.oneid, r.known, r.wake, r.stage, r.reached, s.version,
  CASE WHEN s.version <> a.version OR r.num <> c.num THEN s.body END
FROM unnest($1::text[], $2::bigint[]) AS a(oneid, version) JOIN customers AS c ON c.oneid = a.oneid
JOIN customers AS r ON r.num = coalesce(c.winner, c.num) LEFT JOIN states AS s ON s.num = r.num;

-- name: add_customers
-- Ids heard of for the first time.
INSERT INTO customers (oneid, home)
SELECT a.oneid, a.home FROM unnest($1::text[], $2::integer[]) AS a(oneid, home) ORDER BY a.oneid
ON CONFLICT (oneid) DO NOTHING RETURNING oneid, num;

-- name: move_customers
-- New index columns of customers; skipped when none changed.
UPDATE customers AS c SET known = true, wake = a.wake, stage = a.stage, reached = a.reached
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS a(num, wake, stage, reached) WHERE c.num = a.num;

-- name: put_states
-- Values are written; the version is this transaction's number, which never comes again.
INSERT INTO states (num, version, body)
SELECT a.num, pg_current_xact_id()::text::bigint, a.body FROM unnest($1::bigint[], $2::bytea[]) AS a(num, body)
ON CONFLICT (num) DO UPDATE SET version = excluded.version, body = excluded.body;

-- name: version
-- The version that this transaction writes values with.
SELECT pg_current_xact_id()::text::bigint;

-- name: put_identifiers
-- Points identifiers at customers.
INSERT INTO identifiers (name, num)
SELECT a.name, a.num FROM unnest($1::text[], $2::bigint[]) AS a(name, num) ORDER BY a.name
ON CONFLICT (name) DO UPDATE SET num = excluded.num WHERE identifiers.num <> excluded.num;

-- name: add_identifiers
-- Identifiers heard of for the first time; fewer rows than names: somebody else has heard of one, too.
INSERT INTO identifiers (name, num)
SELECT a.name, a.num FROM unnest($1::text[], $2::bigint[]) AS a(name, num) ORDER BY a.name
ON CONFLICT (name) DO NOTHING;

-- name: drop_states
-- The values of customers that are gone go.
DELETE FROM states WHERE num = ANY($1::bigint[]);

-- name: due
-- Customers of some partitions with a timer due, earliest first, and by id at one instant.
SELECT d.oneid, d.wake FROM unnest($1::integer[]) AS h(home) CROSS JOIN LATERAL (
  SELECT c.oneid, c.wake FROM customers AS c
  WHERE c.home = h.home AND c.wake > 0 AND c.wake <= $2 ORDER BY c.wake, c.oneid LIMIT $3
) AS d ORDER BY d.wake, d.oneid LIMIT $3;

-- name: next_due
-- The earliest timer in some partitions.
SELECT d.wake FROM unnest($1::integer[]) AS h(home) CROSS JOIN LATERAL (
  SELECT c.wake FROM customers AS c WHERE c.home = h.home AND c.wake > 0 ORDER BY c.wake LIMIT 1
) AS d ORDER BY d.wake LIMIT 1;

-- name: scan
-- A page of customer ids in id order.
SELECT oneid FROM customers WHERE oneid > $1 AND known ORDER BY oneid LIMIT $2;

-- name: scan_home
-- A page of the ids of one partition's customers in id order.
SELECT oneid FROM customers WHERE home = $3 AND oneid > $1 AND known ORDER BY oneid LIMIT $2;

-- name: queues
-- The channels and priorities that have a queue, by skipping through their index.
WITH RECURSIVE queues AS (
  (SELECT channel, priority FROM touches WHERE state IN ('planned', 'ready', 'deferred')
   ORDER BY channel, priority DESC LIMIT 1)
  UNION ALL
  SELECT n.channel, n.priority FROM queues AS q CROSS JOIN LATERAL (
    (SELECT t.channel, t.priority FROM touches AS t WHERE t.state IN ('planned', 'ready', 'deferred')
     AND t.channel = q.channel AND t.priority < q.priority ORDER BY t.channel, t.priority DESC LIMIT 1)
    UNION ALL
    (SELECT t.channel, t.priority FROM touches AS t WHERE t.state IN ('planned', 'ready', 'deferred')
     AND t.channel > q.channel ORDER BY t.channel, t.priority DESC LIMIT 1)
    LIMIT 1
  ) AS n
)
SELECT channel, priority FROM queues;

-- name: queue_due
-- The due touches of some queues: higher priority, then earlier due first.
SELECT t.body FROM unnest($1::text[], $2::bigint[]) AS q(channel, priority) CROSS JOIN LATERAL (
  SELECT d.priority, d.due, d.seq, d.body FROM touches AS d
  WHERE d.state IN ('planned', 'ready', 'deferred') AND d.channel = q.channel AND d.priority = q.priority
    AND d.due <= $3 ORDER BY d.due, d.seq LIMIT $4
) AS t ORDER BY t.priority DESC, t.due, t.seq LIMIT $4;

-- name: queue_next
-- When the first touch of some queues is due.
SELECT t.due FROM unnest($1::text[], $2::bigint[]) AS q(channel, priority) CROSS JOIN LATERAL (
  SELECT d.due FROM touches AS d
  WHERE d.state IN ('planned', 'ready', 'deferred') AND d.channel = q.channel AND d.priority = q.priority
  ORDER BY d.due LIMIT 1
) AS t ORDER BY t.due LIMIT 1;

-- name: lapsed
-- Touches whose lease ended, the longest ago first.
SELECT body FROM touches WHERE state = 'in_flight' AND lease_until < $1 ORDER BY lease_until, seq LIMIT $2;

-- name: touches
-- Touches by id.
SELECT id, seq, body FROM touches WHERE id = ANY($1::text[]) ORDER BY id;

-- name: touches_of_runs
-- The touches of some runs that have not left yet, to be moved.
SELECT id, seq, body FROM touches WHERE run = ANY($1::text[]) AND state IN ('planned', 'ready', 'deferred')
ORDER BY id FOR NO KEY UPDATE;

-- name: touches_by_provider
-- The touches under a provider's id.
SELECT body FROM touches WHERE provider_id = $2 AND provider = $1 AND provider_id <> '' ORDER BY seq;

-- name: add_touches
-- Touches planned for the first time.
INSERT INTO touches (id, num, run, journey, channel, template, planned, priority, state, due, lease_until,
  provider, provider_id, body)
SELECT a.id, a.num, a.run, a.journey, a.channel, a.template, a.planned, a.priority, a.state, a.due, a.lease_until,
  a.provider, a.provider_id, a.body
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
  $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::bytea[]) WITH ORDINALITY
  AS a(id, num, run, journey, channel, template, planned, priority, state, due, lease_until, provider, provider_id,
    body, nth)
ORDER BY a.nth;

-- name: move_touches
-- Where touches stand now; nobody is about to send them.
UPDATE touches AS t SET state = a.state, due = a.due, lease_until = a.lease_until, provider = a.provider,
  provider_id = a.provider_id, body = a.body, claimed_until = 0
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bytea[])
  AS a(seq, state, due, lease_until, provider, provider_id, body)
WHERE t.seq = a.seq;

-- name: runs_by_id
-- What the tallies need of runs that are written again.
SELECT id, seq, journey, version, place, active, num, entered FROM runs WHERE id = ANY($1::text[]);

-- name: add_runs
-- Runs entered.
INSERT INTO runs (id, num, journey, entered, version, place, active, goal_until, body)
SELECT a.id, a.num, a.journey, a.entered, a.version, a.place, a.active, a.goal_until, a.body
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::boolean[], $8::bigint[],
  $9::bytea[]) WITH ORDINALITY AS a(id, num, journey, entered, version, place, active, goal_until, body, nth)
ORDER BY a.nth;

-- name: move_runs
-- Runs moved or ended.
UPDATE runs AS r SET version = a.version, place = a.place, active = a.active, goal_until = a.goal_until, body = a.body
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::bytea[])
  AS a(seq, version, place, active, goal_until, body) WHERE r.seq = a.seq;

-- name: refile_runs
-- Runs written again as another customer's or with another entrance: these columns are in indexes.
UPDATE runs AS r SET num = a.num, journey = a.journey, entered = a.entered
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) AS a(seq, num, journey, entered) WHERE r.seq = a.seq;

-- name: put_attempts
-- Hand-offs, begun or ended.
INSERT INTO attempts (touch, token, body)
SELECT a.touch, a.token, a.body FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS a(touch, token, body)
ORDER BY a.touch, a.token ON CONFLICT (touch, token) DO UPDATE SET body = excluded.body;

-- name: attempts
-- The hand-offs of a touch.
SELECT body FROM attempts WHERE touch = $1 ORDER BY token;

-- name: put_facts
-- Receipts; a parked one may still find its touch, an applied one stays.
INSERT INTO facts (id, touch, at, provider, provider_id, body)
SELECT a.id, a.touch, a.at, a.provider, a.provider_id, a.body
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bytea[]) WITH ORDINALITY
  AS a(id, touch, at, provider, provider_id, body, nth)
ORDER BY a.nth
ON CONFLICT (id) DO UPDATE SET touch = excluded.touch, at = excluded.at, provider = excluded.provider,
  provider_id = excluded.provider_id, body = excluded.body
WHERE facts.touch = '';

-- name: add_facts
-- Receipts that nobody had applied or parked; fewer rows than receipts: somebody has meanwhile.
INSERT INTO facts (id, touch, at, provider, provider_id, body)
SELECT a.id, a.touch, a.at, a.provider, a.provider_id, a.body
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bytea[]) WITH ORDINALITY
  AS a(id, touch, at, provider, provider_id, body, nth)
ORDER BY a.nth ON CONFLICT (id) DO NOTHING;

-- name: has_fact
-- Was this receipt seen?
SELECT 1 FROM facts WHERE id = $1;

-- name: facts
-- The receipts of a touch.
SELECT body FROM facts WHERE touch = $1 AND touch <> '' ORDER BY at, seq;

-- name: parked
-- The receipts that wait for their touch.
SELECT body FROM facts WHERE provider_id = $2 AND provider = $1 AND touch = '' ORDER BY seq;

-- name: count_parked
-- How many receipts wait for their touch.
SELECT count(*) FROM facts WHERE touch = '';

-- name: add_effects
-- Effects, counted once per key; returns the keys that are new.
INSERT INTO effects (key, journey, kind, body, num)
SELECT a.key, a.journey, a.kind, a.body, a.num
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bigint[]) WITH ORDINALITY
  AS a(key, journey, kind, body, num, nth)
ORDER BY a.nth ON CONFLICT (key) DO NOTHING RETURNING key;

-- name: effects
-- Effects, oldest first.
SELECT body FROM effects WHERE ($1::text = '' OR journey = $1) AND ($2::text = '' OR kind = $2) ORDER BY seq LIMIT $3;

-- name: effects_of_person
-- Effects of the person that an id stands for, oldest first.
WITH root(num) AS (SELECT coalesce(winner, num) FROM customers WHERE oneid = $4),
  person(num) AS (SELECT num FROM root UNION ALL SELECT c.num FROM root JOIN customers AS c ON c.winner = root.num)
SELECT e.body FROM person JOIN effects AS e ON e.num = person.num
WHERE ($1::text = '' OR e.journey = $1) AND ($2::text = '' OR e.kind = $2) ORDER BY e.seq LIMIT $3;

-- name: add_notes
-- Customers' trace lines of one commit.
INSERT INTO notes (at, num, body)
SELECT a.at, a.num, a.body
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) WITH ORDINALITY AS a(at, num, body, nth) ORDER BY a.nth;

-- name: notes
-- A page of the trace under some numbers, newest commit first.
SELECT seq, body FROM notes WHERE num = ANY($1::bigint[]) AND seq < $2 ORDER BY seq DESC LIMIT $3;

-- name: runs
-- Runs, newest entrance first.
SELECT o.oneid, r.body FROM runs AS r JOIN customers AS c ON c.num = r.num
JOIN customers AS o ON o.num = coalesce(c.winner, c.num)
WHERE ($1::text = '' OR r.journey = $1) AND ($2::boolean IS NULL OR r.active = $2)
ORDER BY r.entered DESC, r.id LIMIT $3;

-- name: runs_of_customer
-- A customer's runs, newest entrance first.
WITH root(num, oneid) AS (
  SELECT o.num, o.oneid FROM customers AS a JOIN customers AS o ON o.num = coalesce(a.winner, a.num) WHERE a.oneid = $4
), person(num) AS (
  SELECT num FROM root UNION ALL SELECT c.num FROM root JOIN customers AS c ON c.winner = root.num
)
SELECT root.oneid, r.body FROM root CROSS JOIN person JOIN runs AS r ON r.num = person.num
WHERE ($1::text = '' OR r.journey = $1) AND ($2::boolean IS NULL OR r.active = $2)
ORDER BY r.entered DESC, r.id LIMIT $3;

-- name: add_dead
-- Entries that could not be applied, kept once.
INSERT INTO dead (place, at, reason, body)
SELECT a.place, a.at, a.reason, a.body
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[]) AS a(place, at, reason, body) ORDER BY a.place
ON CONFLICT (place) DO NOTHING;

-- name: dead
-- Entries that could not be applied, newest first.
SELECT place, at, reason, body FROM dead ORDER BY place DESC LIMIT $1;

-- name: count_dead
-- How many entries could not be applied.
SELECT count(*) FROM dead;

-- name: put_schedule
-- The next time of a scheduled entrance, in some partitions.
INSERT INTO schedules (journey, home, due, body) SELECT $1, h.home, $3, $4 FROM unnest($2::integer[]) AS h(home)
ON CONFLICT (journey, home) DO UPDATE SET due = excluded.due, body = excluded.body;

-- name: schedules
-- Scheduled entrances of every partition, earliest first.
SELECT body FROM schedules ORDER BY due, journey, home;

-- name: schedules_home
-- Scheduled entrances of one partition, earliest first.
SELECT body FROM schedules WHERE home = $1 ORDER BY due, journey;

-- name: put_flag
-- Raises an operator's flag.
INSERT INTO flags (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: drop_flag
-- Lowers an operator's flag.
DELETE FROM flags WHERE name = $1;

-- name: flags
-- The operator's flags.
SELECT name, value FROM flags;

-- name: retire_plans
-- No version of the journey is current.
UPDATE plans SET current = false WHERE journey = $1 AND current;

-- name: put_plan
-- A published plan is its journey's current version.
INSERT INTO plans (journey, version, current, body) VALUES ($1, $2, true, $3)
ON CONFLICT (journey, version) DO UPDATE SET current = true, body = excluded.body;

-- name: plans
-- Plans that are current or still travelled, or whose goal window is open at $1. The kept totals say where to look.
SELECT p.body FROM plans AS p
WHERE p.current OR (
  SELECT coalesce(sum(t.n), 0) FROM tallies AS t
  WHERE t.kind = 'underway' AND t.a = p.journey AND t.b = p.version AND t.c = ''
) > 0 OR (EXISTS (
  SELECT 1 FROM tallies AS t
  WHERE t.kind = 'open' AND t.a = p.journey AND t.b = p.version AND t.c = '' AND t.n > $1
) AND EXISTS (
  SELECT 1 FROM runs AS r WHERE r.journey = p.journey AND r.version = p.version AND r.goal_until > $1
))
ORDER BY p.journey, p.version;

-- name: current
-- Journeys and their current versions.
SELECT journey, version FROM plans WHERE current;

-- name: add_tallies
-- Adds to kept totals, in the writer's stripe.
INSERT INTO tallies AS t (kind, a, b, c, stripe, n, value)
SELECT x.kind, x.a, x.b, x.c, $1, x.n, x.value
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::float8[]) AS x(kind, a, b, c, n, value)
ORDER BY x.kind, x.a, x.b, x.c
ON CONFLICT (kind, a, b, c, stripe) DO UPDATE SET n = t.n + excluded.n, value = t.value + excluded.value;

-- name: raise_tallies
-- Keeps the highest value there ever was: the end of a version's last goal window.
INSERT INTO tallies AS t (kind, a, b, c, stripe, n, value)
SELECT 'open', x.a, x.b, '', $1, x.n, 0 FROM unnest($2::text[], $3::text[], $4::bigint[]) AS x(a, b, n)
ORDER BY x.a, x.b
ON CONFLICT (kind, a, b, c, stripe) DO UPDATE SET n = excluded.n WHERE t.n < excluded.n;

-- name: tallies
-- The kept totals that counts are made of, all stripes together.
SELECT kind, a, b, c, sum(n)::bigint, sum(value) FROM tallies
WHERE kind IN ('customers', 'touch', 'run', 'stage', 'reached', 'converted')
GROUP BY kind, a, b, c HAVING sum(n) <> 0 ORDER BY kind, a, b, c;

-- name: plan
-- One version of a journey, current or not.
SELECT body FROM plans WHERE journey = $1 AND version = $2;

-- name: drop_schedule
-- A journey that is gone has no next time.
DELETE FROM schedules WHERE journey = $1;

-- name: add_release
-- What was published.
INSERT INTO releases (id, body) VALUES ($1, $2);

-- name: releases
-- What was published, newest first.
SELECT body FROM releases ORDER BY seq DESC LIMIT $1;

-- name: put_job
-- Work that a publish left to do, or how far it got; says whether it is new.
INSERT INTO jobs (name, body) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET body = excluded.body
RETURNING (xmax = 0);

-- name: drop_job
-- Work that is done.
DELETE FROM jobs WHERE name = $1 RETURNING true;

-- name: jobs
-- Work that publishes left to do, as asked for.
SELECT body FROM jobs ORDER BY seq;

-- name: underway
-- How many active runs a journey has in other versions.
SELECT coalesce(sum(n), 0)::bigint FROM tallies WHERE kind = 'underway' AND a = $1 AND b <> $2;

-- name: travellers_few
-- Customers with an active run in another version: by way of the journey's runs.
SELECT DISTINCT o.oneid FROM runs AS r JOIN customers AS c ON c.num = r.num
JOIN customers AS o ON o.num = coalesce(c.winner, c.num)
WHERE r.journey = $1 AND r.version <> $2 AND r.active AND o.oneid > $3 ORDER BY o.oneid LIMIT $4;

-- name: travellers_many
-- The same by way of the customers, cheaper when they are many.
SELECT c.oneid FROM customers AS c
WHERE c.oneid > $3 AND c.winner IS NULL AND (EXISTS (
  SELECT 1 FROM runs AS r WHERE r.num = c.num AND r.journey = $1 AND r.version <> $2 AND r.active
) OR EXISTS (
  SELECT 1 FROM customers AS l JOIN runs AS r ON r.num = l.num
  WHERE l.winner = c.num AND r.journey = $1 AND r.version <> $2 AND r.active
))
ORDER BY c.oneid LIMIT $4;

-- name: add_pool
-- A pool heard of for the first time.
INSERT INTO pools (name) VALUES ($1) ON CONFLICT (name) DO NOTHING;

-- name: pool_numbers
-- The numbers of pools.
SELECT name, num FROM pools WHERE name = ANY($1::text[]);

-- name: pools
-- How full the pools are.
SELECT p.name,
  (SELECT coalesce(sum(t.n), 0)::bigint FROM tallies AS t
   WHERE t.kind = 'free' AND t.a = p.name AND t.b = '' AND t.c = ''),
  (SELECT coalesce(sum(t.n), 0)::bigint FROM tallies AS t
   WHERE t.kind = 'issued' AND t.a = p.name AND t.b = '' AND t.c = '')
FROM pools AS p ORDER BY p.name;

-- name: add_codes
-- Codes are stocked; known ones are left alone.
INSERT INTO codes (pool, code)
SELECT p.num, a.code FROM pools AS p CROSS JOIN unnest($2::text[]) WITH ORDINALITY AS a(code, nth) WHERE p.name = $1
ORDER BY a.nth ON CONFLICT (pool, code) DO NOTHING;

-- name: take_codes
-- Free codes are somebody's now; says which were.
UPDATE codes AS k SET taken = true FROM unnest($1::bigint[], $2::text[]) AS a(pool, code)
WHERE k.pool = a.pool AND k.code = a.code AND NOT k.taken RETURNING k.pool, k.code;

-- name: codes
-- The next free codes of a pool.
SELECT code FROM codes WHERE pool = (SELECT num FROM pools WHERE name = $1) AND NOT taken ORDER BY seq LIMIT $2;

-- name: add_coupons
-- Codes that customers got, once per key; says which keys were not used before.
INSERT INTO coupons (key, pool, num, code, at, run, journey, step)
SELECT a.key, a.pool, a.num, a.code, a.at, a.run, a.journey, a.step
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
  WITH ORDINALITY AS a(key, pool, num, code, at, run, journey, step, nth)
ORDER BY a.nth ON CONFLICT (key) DO NOTHING RETURNING key;

-- name: coupons
-- The codes issued, newest first.
SELECT p.name, k.code, k.key, c.oneid, k.at, k.run, k.journey, k.step
FROM coupons AS k JOIN pools AS p ON p.num = k.pool JOIN customers AS a ON a.num = k.num
JOIN customers AS c ON c.num = coalesce(a.winner, a.num)
ORDER BY k.seq DESC LIMIT $1;

-- name: coupons_of_pool
-- The codes issued of one pool, newest first.
SELECT p.name, k.code, k.key, c.oneid, k.at, k.run, k.journey, k.step
FROM pools AS p JOIN coupons AS k ON k.pool = p.num JOIN customers AS a ON a.num = k.num
JOIN customers AS c ON c.num = coalesce(a.winner, a.num)
WHERE p.name = $1 ORDER BY k.seq DESC LIMIT $2;

-- name: coupons_of_customer
-- The codes that a customer got, newest first.
WITH root(num, oneid) AS (
  SELECT o.num, o.oneid FROM customers AS a JOIN customers AS o ON o.num = coalesce(a.winner, a.num) WHERE a.oneid = $1
), person(num) AS (
  SELECT num FROM root UNION ALL SELECT c.num FROM root JOIN customers AS c ON c.winner = root.num
)
SELECT p.name, k.code, k.key, root.oneid, k.at, k.run, k.journey, k.step
FROM root CROSS JOIN person JOIN coupons AS k ON k.num = person.num JOIN pools AS p ON p.num = k.pool
WHERE $2::text = '' OR p.name = $2 ORDER BY k.seq DESC LIMIT $3;

-- name: add_arms
-- Arms were tried, or won, more often.
INSERT INTO arms AS t (journey, split, arm, stripe, tried, won)
SELECT a.journey, a.split, a.arm, $1, a.tried, a.won
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[]) AS a(journey, split, arm, tried, won)
ORDER BY a.journey, a.split, a.arm
ON CONFLICT (journey, split, arm, stripe) DO UPDATE SET tried = t.tried + excluded.tried, won = t.won + excluded.won;

-- name: arms
-- How the arms of a split did, all stripes together.
SELECT arm, sum(tried)::bigint, sum(won)::bigint FROM arms WHERE journey = $1 AND split = $2 GROUP BY arm ORDER BY arm;

-- name: put_accounts
-- What is known of accounts.
INSERT INTO accounts (id, body) SELECT a.id, a.body FROM unnest($1::text[], $2::bytea[]) AS a(id, body) ORDER BY a.id
ON CONFLICT (id) DO UPDATE SET body = excluded.body;

-- name: add_accounts
-- Accounts heard of for the first time; fewer rows than accounts: somebody else has heard of one, too.
INSERT INTO accounts (id, body) SELECT a.id, a.body FROM unnest($1::text[], $2::bytea[]) AS a(id, body) ORDER BY a.id
ON CONFLICT (id) DO NOTHING;

-- name: accounts
-- Accounts by id.
SELECT id, body FROM accounts WHERE id = ANY($1::text[]) ORDER BY id;

-- name: oldest_notes
-- Traces older than an instant go, the oldest first.
WITH old AS (SELECT seq, at FROM notes WHERE at < $1 ORDER BY seq LIMIT $2)
DELETE FROM notes AS n USING old WHERE n.seq = old.seq AND n.at = old.at;

-- name: oldest_touches
-- Touches that were planned before an instant and have ended, the oldest first; what came after is not looked at.
SELECT seq, id, journey, channel, state, body FROM touches
WHERE planned < $1 AND state IN ('sent', 'failed', 'dropped', 'expired', 'cancelled') AND seq < $2
ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: first_touch_after
-- Where younger touches begin.
SELECT seq FROM touches WHERE planned >= $1 ORDER BY seq LIMIT 1;

-- name: drop_touches
-- Touches that are kept no longer.
DELETE FROM touches WHERE seq = ANY($1::bigint[]);

-- name: drop_attempts
-- Their hand-overs.
DELETE FROM attempts WHERE touch = ANY($1::text[]);

-- name: drop_facts
-- Their receipts.
DELETE FROM facts WHERE touch <> '' AND touch = ANY($1::text[]);

-- name: drop_parked
-- Receipts whose touch never became known.
DELETE FROM facts WHERE seq IN (SELECT seq FROM facts WHERE touch = '' AND at < $1 ORDER BY seq LIMIT $2);

-- name: oldest_runs
-- Runs that were begun before an instant and are over, the oldest first; what came after is not looked at.
SELECT seq, id, journey, version, place, body FROM runs
WHERE entered < $1 AND NOT active AND goal_until < $1 AND seq < $2 ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: first_run_after
-- Where younger runs begin.
SELECT seq FROM runs WHERE entered >= $1 ORDER BY seq LIMIT 1;

-- name: drop_runs
-- Runs that are kept no longer.
DELETE FROM runs WHERE seq = ANY($1::bigint[]);

-- name: drop_refiled
-- Whom they were filed under before.
DELETE FROM refiled WHERE run = ANY($1::text[]);

-- name: touches_to_drop
-- Touches by id, with what the tallies lose.
SELECT seq, id, journey, channel, state FROM touches WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE;
