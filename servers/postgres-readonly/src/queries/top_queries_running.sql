-- What runs now, counted by text. $1 characters of a statement.
SELECT left(a.query, $1::int) AS query,
       min(to_jsonb(a) ->> 'query_id') AS queryid,
       min(a.datname) AS datname,
       min(a.usename) AS usename,
       count(*) AS sessions,
       count(*) FILTER (WHERE a.wait_event_type = 'Lock') AS waiting_for_lock,
       round(1000 * max(extract(epoch FROM clock_timestamp() - a.query_start))::numeric)::bigint AS max_age_ms,
       count(*) OVER () AS total
FROM pg_stat_activity a
WHERE a.state = 'active' AND a.pid <> pg_backend_pid() AND a.query <> ''
GROUP BY left(a.query, $1::int)
ORDER BY sessions DESC, max_age_ms DESC
