-- name: hold_alone
-- Takes the right to be the only process on the database, for as long as the connection lives; false: somebody works.
SELECT pg_try_advisory_lock(729564138, hashtext(current_schema()));

-- name: hold_with_others
-- Takes the right to work beside others that do so too; false: one process has the database for itself.
SELECT pg_try_advisory_lock_shared(729564138, hashtext(current_schema()));

-- name: still_held
-- Answers as long as the connection lives, and with it what was taken on it.
SELECT 1;
