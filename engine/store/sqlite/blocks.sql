-- name: make_blocks
-- The keys of each customer, one after the other; the index comes when all are there.
CREATE TABLE block (key INTEGER, customer TEXT);

-- name: index_blocks
-- Sorts them once, so that those who share a key stand together.
CREATE INDEX block_key ON block (key, customer);

-- name: add_block
-- A customer has a key.
INSERT INTO block VALUES (?, ?);

-- name: count_shared
-- How many keys are shared by 2 to so many customers.
SELECT count(*) FROM (SELECT key FROM block GROUP BY key HAVING count(*) BETWEEN 2 AND ?);

-- name: shared_blocks
-- The customers of each key that 2 to so many of them share.
SELECT key, customer
FROM block
WHERE key IN (SELECT key FROM block GROUP BY key HAVING count(*) BETWEEN 2 AND ?)
ORDER BY key, customer;
