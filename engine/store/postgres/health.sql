-- name: server
-- The server's version, its clock in microseconds, how many connections it allows, and how many there are.
SELECT current_setting('server_version'), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       current_setting('max_connections')::integer, (SELECT count(*) FROM pg_stat_activity)::integer,
       current_setting('synchronous_commit');
