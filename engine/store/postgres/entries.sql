-- The history: every entry that was applied, and those of partition 0 that are still to be. Statements of entries.py,
-- entries_log.py and entries_months.py.

-- name: one_maker
-- The months of a table are made by one at a time.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.' || $1::text, 0));

-- name: months
-- The months of a table, oldest first, and whether one is being taken off.
SELECT c.relname, i.inhdetachpending FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1::text) ORDER BY c.relname;

-- name: begin_desk
-- Nothing is written to partition 0 yet.
INSERT INTO meta (name, value) VALUES ('desk', 0), ('desk_at', 0) ON CONFLICT (name) DO NOTHING;

-- name: lock_desk
-- How far partition 0 is written, and up to when: whoever appends holds these rows up to the commit.
SELECT name, value FROM meta WHERE name IN ('desk', 'desk_at') ORDER BY name FOR UPDATE;

-- name: desk
-- How far partition 0 is written, and up to when.
SELECT name, value FROM meta WHERE name IN ('desk', 'desk_at');

-- name: move_desk
-- Partition 0 is written further.
UPDATE meta SET value = CASE name WHEN 'desk' THEN $1::bigint ELSE $2::bigint END
WHERE name IN ('desk', 'desk_at');

-- name: add_entries
-- Entries into the history; their bodies come as one text of bytes, cut here: an array of them takes a client long.
INSERT INTO entries (place, at, body)
SELECT e.place, e.at, substr($5::bytea, e.first::integer, e.size::integer)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS e(place, at, first, size);

-- name: read_entries
-- The next entries of a range of places.
SELECT place, body FROM entries WHERE place > $1 AND place <= $2 ORDER BY place LIMIT $3;

-- name: read_since
-- The same, of those that were received since an instant: earlier months are not looked at.
SELECT place, body FROM entries WHERE place > $1 AND place <= $2 AND at >= $4
ORDER BY place LIMIT $3;

-- name: read_back
-- The last entries of a range of places, the last one first.
SELECT place, body FROM entries WHERE place > $1 AND place <= $2 ORDER BY place DESC LIMIT $3;

-- name: entry_at
-- The entry at a place.
SELECT body FROM entries WHERE place = $1;

-- name: last_place
-- The last place up to which anything stands in a range of places.
SELECT place FROM entries WHERE place > $1 AND place <= $2 ORDER BY place DESC LIMIT 1;

-- name: count_entries
-- About how many entries the history holds, as the database itself estimates.
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('entries');

-- name: rewrite_entry
-- Another body at a place; the month that holds it from now on holds a dead copy as well.
UPDATE entries SET body = $2 WHERE place = $1 RETURNING tableoid::regclass::text;

-- name: note_rewritten
-- A month holds dead copies, of this transaction and perhaps of earlier ones.
INSERT INTO meta (name, value) VALUES ('rewritten:' || $1::text, pg_current_xact_id()::text::bigint)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: rewritten
-- The months that hold dead copies, and whether somebody still reads an older state of them.
SELECT substr(m.name, 11), m.value, EXISTS (
  SELECT 1 FROM pg_stat_activity AS a
  WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid() AND a.datname = current_database()
  AND age(a.backend_xmin) >= age(m.value::text::xid8::xid)
) FROM meta AS m WHERE m.name LIKE 'rewritten:%' ORDER BY m.name;

-- name: forget_rewritten
-- A month is clean, unless it was rewritten again meanwhile.
DELETE FROM meta WHERE name = 'rewritten:' || $1::text AND value = $2::bigint;

-- name: drop_entries
-- The oldest entries of partition 0 go, a portion at a time.
DELETE FROM entries WHERE (place, at) IN (
  SELECT place, at FROM entries WHERE place > 0 AND place < $1 ORDER BY place LIMIT $2
);

-- name: forget_month
-- A month that was dropped holds nothing any more.
DELETE FROM meta WHERE name = 'rewritten:' || $1::text;

-- name: tell_desk
-- Whoever waits for the operators' words hears of more.
SELECT pg_notify($1::text, 'desk');
