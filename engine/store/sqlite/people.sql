-- Statements about persons: who is one, what they carry, who was erased or shut out. Loaded by queries.py.

-- name: merge_customer
-- Leaves of the loser only the way to the winner.
UPDATE customers SET known = 0, winner = ?2, wake = 0, stage = '', reached = '' WHERE num = ?1;

-- name: merge_redirects
-- Earlier losers of the loser lead to the winner at once.
UPDATE customers SET winner = ?2 WHERE winner = ?1;

-- name: part_customer
-- A merged customer leads elsewhere from now on, or nowhere but to itself.
UPDATE customers SET winner = ?2 WHERE num = ?1;

-- name: drop_identifier
-- An identifier that leads to nobody any more.
DELETE FROM identifiers WHERE name = ?1;

-- name: led
-- The numbers of those who were merged into a customer.
SELECT num FROM customers WHERE winner = ?1;

-- name: person
-- All numbers of the person that an id stands for.
WITH root(num) AS (SELECT coalesce(winner, num) FROM customers WHERE oneid = ?1)
SELECT num FROM root UNION ALL SELECT c.num FROM root CROSS JOIN customers AS c ON c.winner = root.num;

-- name: people_of_run
-- All numbers under which the touches of a run may stand: whoever it belongs to, or belonged to.
WITH owner(num) AS (SELECT num FROM runs WHERE id = ?1 UNION SELECT num FROM refiled WHERE run = ?1),
  root(num) AS (SELECT DISTINCT coalesce(c.winner, c.num) FROM owner CROSS JOIN customers AS c ON c.num = owner.num)
SELECT num FROM owner UNION SELECT num FROM root
UNION SELECT c.num FROM root CROSS JOIN customers AS c ON c.winner = root.num;

-- name: add_refiled
-- A run goes to another customer; its touches stay.
INSERT INTO refiled (run, num) VALUES (?1, ?2) ON CONFLICT (run, num) DO NOTHING;

-- name: put_merge
-- A line of the merge log, or what became of it.
INSERT INTO merges (id, winner, loser, at, body) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO UPDATE SET winner = excluded.winner, loser = excluded.loser, at = excluded.at, body = excluded.body;

-- name: merges
-- The lines of the merge log that name an id, newest first.
WITH asked(num) AS (SELECT num FROM customers WHERE oneid = ?1)
SELECT body FROM merges WHERE winner = (SELECT num FROM asked) OR loser = (SELECT num FROM asked)
ORDER BY at DESC, seq DESC LIMIT ?2;

-- name: put_review
-- A contested identifier.
INSERT INTO reviews (identifier, state, last, body) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (identifier) DO UPDATE SET state = excluded.state, last = excluded.last, body = excluded.body;

-- name: drop_claim
-- A customer whom a review names no more.
DELETE FROM claims WHERE customer = ?1 AND identifier = ?2;

-- name: add_claim
-- A customer whom a review names.
INSERT INTO claims (customer, identifier) VALUES (?1, ?2) ON CONFLICT (customer, identifier) DO NOTHING;

-- name: reviews_in
-- Contested identifiers in one state, the latest claimed first.
SELECT body FROM reviews WHERE state = ?1 ORDER BY last DESC, identifier LIMIT ?2;

-- name: reviews
-- All contested identifiers, the latest claimed first.
SELECT body FROM reviews ORDER BY last DESC, identifier LIMIT ?1;

-- name: review
-- Contested identifiers by name.
SELECT r.body FROM carray(?1) AS a CROSS JOIN reviews AS r ON r.identifier = a.value;

-- name: label_name
-- The number of a label.
SELECT id FROM label_names WHERE kind = ?1 AND name = ?2;

-- name: add_label_name
-- A label heard of for the first time.
INSERT INTO label_names (kind, name) VALUES (?1, ?2) RETURNING id;

-- name: add_label
-- A customer gains a label; one that it carries is left alone.
INSERT INTO labels (label, num, since, until) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (label, num) DO NOTHING;

-- name: move_label
-- A label that a customer carries has another beginning or end.
UPDATE labels SET since = ?3, until = ?4 WHERE label = ?1 AND num = ?2;

-- name: drop_label
-- A customer loses a label.
DELETE FROM labels WHERE label = ?1 AND num = ?2;

-- name: drop_labels
-- A customer that is gone carries nothing.
DELETE FROM labels WHERE num = ?1 RETURNING (SELECT n.kind FROM label_names AS n WHERE n.id = label),
  (SELECT n.name FROM label_names AS n WHERE n.id = label);

-- name: labels
-- What a customer carries.
SELECT c.oneid, n.kind, n.name, l.since, l.until
FROM customers AS a CROSS JOIN customers AS c ON c.num = coalesce(a.winner, a.num)
CROSS JOIN labels AS l INDEXED BY labels_customer ON l.num = c.num CROSS JOIN label_names AS n ON n.id = l.label
WHERE a.oneid = ?1 ORDER BY n.kind, n.name;

-- name: label_totals
-- How many customers were given each label.
SELECT a, b, n FROM tallies WHERE kind = 'label' AND (?1 = '' OR a = ?1) AND n > 0 ORDER BY a, b;

-- name: labels_ended
-- How many of those have ended although nobody has said so yet.
SELECT n.kind, n.name, count(*) FROM labels AS l INDEXED BY labels_ending CROSS JOIN label_names AS n ON n.id = l.label
WHERE l.until > 0 AND l.until <= ?1 GROUP BY l.label;

-- name: label_total
-- How many customers were given one label.
SELECT coalesce(sum(n), 0) FROM tallies WHERE kind = 'label' AND a = ?1 AND b = ?2 AND c = '';

-- name: members_few
-- Who carries a label, by customer id: by way of the label.
SELECT c.oneid, n.kind, n.name, l.since, l.until
FROM label_names AS n CROSS JOIN labels AS l ON l.label = n.id CROSS JOIN customers AS c ON c.num = l.num
WHERE n.kind = ?1 AND n.name = ?2 AND (l.until = 0 OR l.until > ?3) AND c.oneid > ?4 ORDER BY c.oneid LIMIT ?5;

-- name: members_many
-- The same by way of the customers, cheaper when they are many.
SELECT c.oneid, n.kind, n.name, l.since, l.until
FROM label_names AS n CROSS JOIN customers AS c CROSS JOIN labels AS l ON l.label = n.id AND l.num = c.num
WHERE n.kind = ?1 AND n.name = ?2 AND (l.until = 0 OR l.until > ?3) AND c.oneid > ?4 ORDER BY c.oneid LIMIT ?5;

-- name: erasure
-- A line of the ledger.
SELECT seq, body FROM erasures WHERE customer = ?1;

-- name: put_erasure
-- A line of the ledger, or what became of it.
INSERT INTO erasures (customer, at, body) VALUES (?1, ?2, ?3)
ON CONFLICT (customer) DO UPDATE SET at = excluded.at, body = excluded.body RETURNING seq;

-- name: erasures
-- The ledger, oldest first.
SELECT body FROM erasures ORDER BY at, seq LIMIT ?1;

-- name: add_erased
-- A fingerprint of a line.
INSERT INTO erased (key, erasure) VALUES (?1, ?2) ON CONFLICT (key, erasure) DO NOTHING;

-- name: drop_erased
-- A fingerprint that a line has no more.
DELETE FROM erased WHERE key = ?1 AND erasure = ?2;

-- name: erased
-- Which fingerprints the ledger holds, the latest line last.
SELECT e.key, l.customer FROM carray(?1) AS a
CROSS JOIN erased AS e ON e.key = a.value CROSS JOIN erasures AS l ON l.seq = e.erasure ORDER BY l.at, l.seq;

-- name: lines_of
-- The lines that hold fingerprints.
SELECT l.body FROM erasures AS l
WHERE l.seq IN (SELECT e.erasure FROM carray(?1) AS a CROSS JOIN erased AS e ON e.key = a.value);

-- name: put_suppression
-- An address that nothing is sent to.
INSERT INTO suppressions (key, body) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET body = excluded.body;

-- name: drop_suppression
-- An address that may be sent to again.
DELETE FROM suppressions WHERE key = ?1;

-- name: suppressions
-- The suppression list, by key.
SELECT body FROM suppressions WHERE key > ?1 ORDER BY key LIMIT ?2;

-- name: suppressed
-- Suppressions by key.
SELECT s.body FROM carray(?1) AS a CROSS JOIN suppressions AS s ON s.key = a.value;

-- name: needs_key
-- Is anybody known by fingerprint? Then a new key would recognise nobody.
SELECT EXISTS (SELECT 1 FROM suppressions) OR EXISTS (SELECT 1 FROM erasures);

-- name: forget_dead
-- A dead letter goes.
DELETE FROM dead WHERE offset = ?1;

-- name: erase_customer
-- Nothing but the number of an id is left.
UPDATE customers SET known = 0, winner = NULL, wake = 0, stage = '', reached = '' WHERE num = ?1;

-- name: runs_of
-- What the tallies lose with the runs of a customer.
SELECT journey, version, place, active, count(*) FROM runs WHERE num = ?1 GROUP BY 1, 2, 3, 4;

-- name: touches_of
-- What the tallies lose with the touches of a customer.
SELECT journey, channel, state, count(*) FROM touches WHERE num = ?1 GROUP BY 1, 2, 3;

-- name: effects_of
-- What a customer achieved.
SELECT seq, body FROM effects WHERE num = ?1;

-- name: put_nameless
-- An effect is nobody's.
UPDATE effects SET num = NULL, body = ?2 WHERE seq = ?1;

-- name: erase_attempts
-- The hand-offs of a customer's touches.
DELETE FROM attempts WHERE touch IN (SELECT id FROM touches WHERE num = ?1);

-- name: erase_facts
-- The receipts of a customer's touches.
DELETE FROM facts WHERE touch <> '' AND touch IN (SELECT id FROM touches WHERE num = ?1);

-- name: erase_touches
-- A customer's touches.
DELETE FROM touches WHERE num = ?1;

-- name: erase_refiled
-- Whom a customer's runs were filed under before.
DELETE FROM refiled WHERE run IN (SELECT id FROM runs WHERE num = ?1);

-- name: erase_runs
-- A customer's runs.
DELETE FROM runs WHERE num = ?1;

-- name: erase_notes
-- A customer's trace.
DELETE FROM notes WHERE num = ?1;

-- name: erase_coupons
-- Who got which code; the code stays taken.
DELETE FROM coupons WHERE num = ?1;

-- name: erase_identifiers
-- What led to a customer.
DELETE FROM identifiers WHERE num = ?1;

-- name: erase_merges
-- The merge log of a customer.
DELETE FROM merges WHERE winner = ?1 OR loser = ?1;

-- name: reviews_of
-- The contested identifiers that a customer has a part in.
SELECT r.body FROM customers AS c CROSS JOIN claims AS k ON k.customer = c.oneid
CROSS JOIN reviews AS r ON r.identifier = k.identifier WHERE c.num = ?1;

-- name: erase_review
-- A contested identifier that names somebody who is gone.
DELETE FROM reviews WHERE identifier = ?1;
