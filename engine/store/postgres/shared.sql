-- Statements that only a store has that several processes write: locks, partitions, claims, notices. Loaded by queries.py.

-- name: space
-- What keeps this schema's locks and notices apart from those of others in the same database.
SELECT hashtext(current_database() || '.' || current_schema());

-- name: enter
-- Passes the gate with others.
SELECT pg_advisory_xact_lock_shared($1::integer, 1);

-- name: enter_alone
-- Passes the gate when everybody is through, and keeps it shut.
SELECT pg_advisory_xact_lock($1::integer, 1);

-- name: take_duty
-- Takes a kind of work upon itself unless somebody has.
SELECT pg_try_advisory_xact_lock($1::integer, hashtext('duty ' || $2::text));

-- name: meta
-- The numbers that hold for the whole store.
SELECT name, value FROM meta;

-- name: put_meta
-- Sets one of them.
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: drop_meta
-- Unsets one of them.
DELETE FROM meta WHERE name = $1;

-- name: next_epoch
-- Other rules are in force.
UPDATE meta SET value = value + 1 WHERE name = 'epoch';

-- name: hold_partition
-- A partition, locked: who else applies it waits, and then finds another owner or position.
SELECT position, time, owner FROM partitions WHERE partition = $1 FOR NO KEY UPDATE;

-- name: partition
-- A partition as it stands.
SELECT position, time, owner FROM partitions WHERE partition = $1;

-- name: partitions
-- Every partition.
SELECT partition, position, time, owner, beat FROM partitions ORDER BY partition;

-- name: add_partitions
-- The partitions there are.
INSERT INTO partitions (partition) SELECT generate_series(1, $1::integer) ON CONFLICT (partition) DO NOTHING;

-- name: give_homes
-- The partition that each customer lives in: `home_of` in SQL.
UPDATE customers SET home =
  1 + ('x' || left(encode(sha256(convert_to(oneid, 'UTF8')), 'hex'), 8))::bit(32)::bigint % $1::bigint;

-- name: spread_schedules
-- What was called for everybody is called in every partition.
INSERT INTO schedules (journey, home, due, body)
SELECT s.journey, h.home, s.due, s.body FROM schedules AS s CROSS JOIN generate_series(1, $1::integer) AS h(home)
WHERE s.home = 0 ON CONFLICT (journey, home) DO NOTHING;

-- name: drop_spread_schedules
-- And no longer for everybody at once.
DELETE FROM schedules WHERE home = 0;

-- name: move_partition
-- A partition is applied up to a place, and its time has come so far.
UPDATE partitions SET position = $2, time = greatest(time, $3) WHERE partition = $1;

-- name: take_partition
-- Makes somebody the owner of a partition, whoever it was before.
UPDATE partitions SET owner = $2, beat = $3 WHERE partition = $1 RETURNING position;

-- name: beat
-- Partitions are lived through up to these instants, their owner says.
WITH mine AS (
  SELECT p.partition, a.time FROM unnest($2::integer[], $3::bigint[]) AS a(partition, time)
  JOIN partitions AS p ON p.partition = a.partition AND p.owner = $1 ORDER BY p.partition FOR NO KEY UPDATE OF p
)
UPDATE partitions AS p SET time = greatest(p.time, mine.time), beat = greatest(p.beat, $4)
FROM mine WHERE p.partition = mine.partition AND p.owner = $1 RETURNING p.partition;

-- name: lived
-- Up to when every partition is lived through; that of a store without any is the desk.
SELECT coalesce((SELECT min(time) FROM partitions WHERE partition > 0),
  (SELECT time FROM partitions WHERE partition = 0));

-- name: hold_named
-- Locks the customers that identifiers stand for, in the order of their numbers.
SELECT num FROM customers WHERE num IN (
  SELECT coalesce(c.winner, c.num) FROM identifiers AS i JOIN customers AS c ON c.num = i.num
  WHERE i.name = ANY($1::text[])
) ORDER BY num FOR NO KEY UPDATE;

-- name: hold_customers
-- Locks the customers that ids stand for, in the order of their numbers.
SELECT num FROM customers WHERE num IN (
  SELECT coalesce(winner, num) FROM customers WHERE oneid = ANY($1::text[])
) ORDER BY num FOR NO KEY UPDATE;

-- name: hold_touches
-- Touches by id, locked in that order.
SELECT id, seq, body FROM touches WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE;

-- name: hold_lapsed
-- Touches whose lease ended and which nobody is settling, the longest ago first.
SELECT body FROM touches WHERE state = 'in_flight' AND lease_until < $1 ORDER BY lease_until, seq LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED;

-- name: hold_accounts
-- Accounts by id, locked in that order.
SELECT id, body FROM accounts WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE;

-- name: hold_codes
-- The next free codes of a pool that nobody else is taking.
SELECT code FROM codes WHERE pool = (SELECT num FROM pools WHERE name = $1) AND NOT taken ORDER BY seq LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED;

-- name: claimable
-- The due touches of some queues that no other dispatcher is about to send.
SELECT t.seq FROM unnest($1::text[], $2::bigint[]) AS q(channel, priority) CROSS JOIN LATERAL (
  SELECT d.priority, d.due, d.seq FROM touches AS d
  WHERE d.state IN ('planned', 'ready', 'deferred') AND d.channel = q.channel AND d.priority = q.priority
    AND d.due <= $3 AND (d.claimed_until <= $3 OR d.claimant = $5) ORDER BY d.due, d.seq LIMIT $4
) AS t ORDER BY t.priority DESC, t.due, t.seq LIMIT $4;

-- name: claim
-- Takes touches for one dispatcher, if nobody was faster.
WITH mine AS (
  SELECT seq FROM touches WHERE seq = ANY($1::bigint[]) AND state IN ('planned', 'ready', 'deferred') AND due <= $2
    AND (claimed_until <= $2 OR claimant = $3) ORDER BY seq FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE touches AS t SET claimant = $3, claimed_until = $4 FROM mine WHERE t.seq = mine.seq
RETURNING t.priority, t.due, t.seq, t.body;

-- name: claimable_next
-- When the first touch of some queues is due that no other dispatcher is about to send.
SELECT t.due FROM unnest($1::text[], $2::bigint[]) AS q(channel, priority) CROSS JOIN LATERAL (
  SELECT d.due FROM touches AS d
  WHERE d.state IN ('planned', 'ready', 'deferred') AND d.channel = q.channel AND d.priority = q.priority
    AND (d.claimed_until <= $3 OR d.claimant = $4) ORDER BY d.due LIMIT 1
) AS t ORDER BY t.due LIMIT 1;

-- name: claims_end
-- When the first claim of another dispatcher on a due touch of some queues is over; asked when all of them are claimed.
SELECT min(d.claimed_until) FROM unnest($1::text[], $2::bigint[]) AS q(channel, priority) JOIN touches AS d
  ON d.channel = q.channel AND d.priority = q.priority
WHERE d.state IN ('planned', 'ready', 'deferred') AND d.due <= $3 AND d.claimed_until > $3 AND d.claimant <> $4;

-- name: notify
-- Tells whoever listens.
SELECT pg_notify($1::text, a.what) FROM unnest($2::text[]) AS a(what);

-- name: tell
-- Tells whoever listens, and does not wait until the disk has it that it was told.
WITH at_once AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
SELECT pg_notify($1::text, a.what) FROM at_once CROSS JOIN unnest($2::text[]) AS a(what);

-- name: secret
-- A secret that the store keeps.
SELECT value FROM secrets WHERE name = $1;

-- name: add_secret
-- Keeps a secret unless there is one.
INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING true;

-- name: needs_key
-- Is anybody known by fingerprint? Then a new key would recognise nobody.
SELECT EXISTS (SELECT 1 FROM suppressions) OR EXISTS (SELECT 1 FROM erasures);

-- name: slices
-- The slices of dedupe keys that have a table, oldest first, and whether one is being taken off.
SELECT substring(c.relname FROM 6)::bigint, i.inhdetachpending
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'seen'::regclass ORDER BY 1;

-- name: one_slicer
-- Slices are made by one at a time.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.seen', 0));
