-- Statements about persons: who is one, what they carry, who was erased or shut out. Loaded by queries.py.

-- name: merge_customer
-- Leaves of the loser only the way to the winner.
UPDATE customers SET known = false, winner = $2, wake = 0, stage = '', reached = '' WHERE num = $1;

-- name: merge_redirects
-- Earlier losers of the loser lead to the winner at once.
UPDATE customers SET winner = $2 WHERE winner = $1;

-- name: part_customer
-- A merged customer leads elsewhere from now on, or nowhere but to itself.
UPDATE customers SET winner = $2 WHERE num = $1;

-- name: drop_identifiers
-- Identifiers that lead to nobody any more.
DELETE FROM identifiers WHERE name = ANY($1::text[]);

-- name: led
-- The numbers of those who were merged into customers.
SELECT num FROM customers WHERE winner = ANY($1::bigint[]);

-- name: person
-- All numbers of the person that an id stands for.
WITH root(num) AS (SELECT coalesce(winner, num) FROM customers WHERE oneid = $1)
SELECT num FROM root UNION ALL SELECT c.num FROM root JOIN customers AS c ON c.winner = root.num;

-- name: people_of_run
-- All numbers under which the touches of a run may stand: whoever it belongs to, or belonged to.
WITH owner(num) AS (SELECT num FROM runs WHERE id = $1 UNION SELECT num FROM refiled WHERE run = $1),
  root(num) AS (SELECT DISTINCT coalesce(c.winner, c.num) FROM owner JOIN customers AS c ON c.num = owner.num)
SELECT num FROM owner UNION SELECT num FROM root
UNION SELECT c.num FROM root JOIN customers AS c ON c.winner = root.num;

-- name: add_refiled
-- Runs go to another customer; their touches stay.
INSERT INTO refiled (run, num) SELECT a.run, a.num FROM unnest($1::text[], $2::bigint[]) AS a(run, num)
ON CONFLICT (run, num) DO NOTHING;

-- name: put_merge
-- A line of the merge log, or what became of it.
INSERT INTO merges (id, winner, loser, at, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET winner = excluded.winner, loser = excluded.loser, at = excluded.at, body = excluded.body;

-- name: merges
-- The lines of the merge log that name an id, newest first.
WITH asked(num) AS (SELECT num FROM customers WHERE oneid = $1)
SELECT body FROM merges WHERE winner = (SELECT num FROM asked) OR loser = (SELECT num FROM asked)
ORDER BY at DESC, seq DESC LIMIT $2;

-- name: put_review
-- A contested identifier.
INSERT INTO reviews (identifier, state, last, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (identifier) DO UPDATE SET state = excluded.state, last = excluded.last, body = excluded.body;

-- name: drop_claims
-- Customers whom a review names no more.
DELETE FROM claims WHERE identifier = $1 AND customer = ANY($2::text[]);

-- name: add_claims
-- Customers whom a review names.
INSERT INTO claims (customer, identifier) SELECT a.customer, $1 FROM unnest($2::text[]) AS a(customer)
ON CONFLICT (customer, identifier) DO NOTHING;

-- name: reviews_in
-- Contested identifiers in one state, the latest claimed first.
SELECT body FROM reviews WHERE state = $1 ORDER BY last DESC, identifier LIMIT $2;

-- name: reviews
-- All contested identifiers, the latest claimed first.
SELECT body FROM reviews ORDER BY last DESC, identifier LIMIT $1;

-- name: review
-- Contested identifiers by name.
SELECT body FROM reviews WHERE identifier = ANY($1::text[]);

-- name: label_numbers
-- The numbers of labels.
SELECT n.kind, n.name, n.id FROM unnest($1::text[], $2::text[]) AS a(kind, name)
JOIN label_names AS n ON n.kind = a.kind AND n.name = a.name;

-- name: add_label_names
-- Labels heard of for the first time.
INSERT INTO label_names (kind, name) SELECT a.kind, a.name FROM unnest($1::text[], $2::text[]) AS a(kind, name)
ORDER BY a.kind, a.name ON CONFLICT (kind, name) DO NOTHING;

-- name: put_labels
-- Customers gain labels, or what they carry has another beginning or end; says which are gained.
INSERT INTO labels (label, num, since, until)
SELECT a.label, a.num, a.since, a.until
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS a(label, num, since, until)
ORDER BY a.label, a.num
ON CONFLICT (label, num) DO UPDATE SET since = excluded.since, until = excluded.until
RETURNING label, (xmax = 0);

-- name: lose_labels
-- Customers lose labels.
DELETE FROM labels AS l USING unnest($1::bigint[], $2::bigint[]) AS a(label, num)
WHERE l.label = a.label AND l.num = a.num RETURNING l.label;

-- name: drop_labels
-- Customers that are gone carry nothing.
DELETE FROM labels AS l USING label_names AS n WHERE l.num = ANY($1::bigint[]) AND n.id = l.label
RETURNING n.kind, n.name;

-- name: labels
-- What a customer carries.
SELECT c.oneid, n.kind, n.name, l.since, l.until
FROM customers AS a JOIN customers AS c ON c.num = coalesce(a.winner, a.num)
JOIN labels AS l ON l.num = c.num JOIN label_names AS n ON n.id = l.label
WHERE a.oneid = $1 ORDER BY n.kind, n.name;

-- name: label_totals
-- How many customers were given each label.
SELECT a, b, sum(n)::bigint FROM tallies WHERE kind = 'label' AND ($1::text = '' OR a = $1)
GROUP BY a, b HAVING sum(n) > 0 ORDER BY a, b;

-- name: labels_ended
-- How many of those have ended although nobody has said so yet.
SELECT n.kind, n.name, count(*) FROM labels AS l JOIN label_names AS n ON n.id = l.label
WHERE l.until > 0 AND l.until <= $1 GROUP BY n.kind, n.name;

-- name: label_total
-- How many customers were given one label.
SELECT coalesce(sum(n), 0)::bigint FROM tallies WHERE kind = 'label' AND a = $1 AND b = $2 AND c = '';

-- name: members_few
-- Who carries a label, by customer id: by way of the label.
SELECT c.oneid, n.kind, n.name, l.since, l.until
FROM label_names AS n JOIN labels AS l ON l.label = n.id JOIN customers AS c ON c.num = l.num
WHERE n.kind = $1 AND n.name = $2 AND (l.until = 0 OR l.until > $3) AND c.oneid > $4 ORDER BY c.oneid LIMIT $5;

-- name: members_many
-- The same by way of the customers, cheaper when they are many.
SELECT c.oneid, $1::text, $2::text, l.since, l.until
FROM customers AS c CROSS JOIN LATERAL (
  SELECT since, until FROM labels
  WHERE label = (SELECT id FROM label_names WHERE kind = $1 AND name = $2) AND num = c.num
) AS l
WHERE (l.until = 0 OR l.until > $3) AND c.oneid > $4 ORDER BY c.oneid LIMIT $5;

-- name: erasure
-- A line of the ledger.
SELECT body FROM erasures WHERE customer = $1;

-- name: put_erasure
-- A line of the ledger, or what became of it.
INSERT INTO erasures (customer, at, body) VALUES ($1, $2, $3)
ON CONFLICT (customer) DO UPDATE SET at = excluded.at, body = excluded.body RETURNING seq;

-- name: erasures
-- The ledger, oldest first.
SELECT body FROM erasures ORDER BY at, seq LIMIT $1;

-- name: add_erased
-- Fingerprints of a line.
INSERT INTO erased (key, erasure) SELECT a.key, $1 FROM unnest($2::text[]) AS a(key) ON CONFLICT DO NOTHING;

-- name: drop_erased
-- Fingerprints that a line has no more.
DELETE FROM erased WHERE erasure = $1 AND key = ANY($2::text[]);

-- name: erased
-- Which fingerprints the ledger holds, the latest line last.
SELECT e.key, l.customer FROM erased AS e JOIN erasures AS l ON l.seq = e.erasure
WHERE e.key = ANY($1::text[]) ORDER BY l.at, l.seq;

-- name: lines_of
-- The lines that hold fingerprints.
SELECT body FROM erasures WHERE seq IN (SELECT erasure FROM erased WHERE key = ANY($1::text[])) ORDER BY seq;

-- name: put_suppressions
-- Addresses that nothing is sent to.
INSERT INTO suppressions (key, body)
SELECT a.key, a.body FROM unnest($1::text[], $2::bytea[]) AS a(key, body) ORDER BY a.key
ON CONFLICT (key) DO UPDATE SET body = excluded.body;

-- name: drop_suppressions
-- Addresses that may be sent to again.
DELETE FROM suppressions WHERE key = ANY($1::text[]);

-- name: suppressions
-- The suppression list, by key.
SELECT body FROM suppressions WHERE key > $1 ORDER BY key LIMIT $2;

-- name: suppressed
-- Suppressions by key.
SELECT body FROM suppressions WHERE key = ANY($1::text[]);

-- name: forget_dead
-- Dead letters go.
DELETE FROM dead WHERE place = ANY($1::bigint[]);

-- name: erase_customers
-- Nothing but the numbers of ids is left.
UPDATE customers SET known = false, winner = NULL, wake = 0, stage = '', reached = '' WHERE num = ANY($1::bigint[]);

-- name: runs_of
-- What the tallies lose with the runs of customers.
SELECT journey, version, place, active, count(*) FROM runs WHERE num = ANY($1::bigint[]) GROUP BY 1, 2, 3, 4;

-- name: touches_of
-- What the tallies lose with the touches of customers.
SELECT journey, channel, state, count(*) FROM touches WHERE num = ANY($1::bigint[]) GROUP BY 1, 2, 3;

-- name: effects_of
-- What customers achieved.
SELECT seq, body FROM effects WHERE num = ANY($1::bigint[]);

-- name: put_nameless
-- Effects are nobody's.
UPDATE effects AS e SET num = NULL, body = a.body FROM unnest($1::bigint[], $2::bytea[]) AS a(seq, body)
WHERE e.seq = a.seq;

-- name: erase_attempts
-- The hand-offs of customers' touches.
DELETE FROM attempts WHERE touch IN (SELECT id FROM touches WHERE num = ANY($1::bigint[]));

-- name: erase_facts
-- The receipts of customers' touches.
DELETE FROM facts WHERE touch <> '' AND touch IN (SELECT id FROM touches WHERE num = ANY($1::bigint[]));

-- name: erase_touches
-- Customers' touches.
DELETE FROM touches WHERE num = ANY($1::bigint[]);

-- name: erase_refiled
-- Whom customers' runs were filed under before.
DELETE FROM refiled WHERE run IN (SELECT id FROM runs WHERE num = ANY($1::bigint[]));

-- name: erase_runs
-- Customers' runs.
DELETE FROM runs WHERE num = ANY($1::bigint[]);

-- name: erase_notes
-- Customers' traces.
DELETE FROM notes WHERE num = ANY($1::bigint[]);

-- name: erase_coupons
-- Who got which code; the codes stay taken.
DELETE FROM coupons WHERE num = ANY($1::bigint[]);

-- name: erase_identifiers
-- What led to customers.
DELETE FROM identifiers WHERE num = ANY($1::bigint[]);

-- name: erase_merges
-- The merge log of customers.
DELETE FROM merges WHERE winner = ANY($1::bigint[]) OR loser = ANY($1::bigint[]);

-- name: reviews_of
-- The contested identifiers that customers have a part in.
SELECT DISTINCT r.identifier FROM customers AS c JOIN claims AS k ON k.customer = c.oneid
JOIN reviews AS r ON r.identifier = k.identifier WHERE c.num = ANY($1::bigint[]);

-- name: erase_claims
-- Whom such reviews name.
DELETE FROM claims WHERE identifier = ANY($1::text[]);

-- name: erase_reviews
-- Contested identifiers that name somebody who is gone.
DELETE FROM reviews WHERE identifier = ANY($1::text[]);
