-- Sessions, the longest open transaction first, then the longest in its state. $1 state, $2 role, $3 application,
-- $4 seconds in that state at least, $5 background processes too.
SELECT a.pid,
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
       a.usename,
       a.application_name,
       host(a.client_addr) AS client_addr,
       a.state,
       floor(extract(epoch FROM clock_timestamp() - a.state_change))::bigint AS state_age_s,
       to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS xact_start,
       floor(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint AS xact_age_s,
       to_char(a.query_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS query_start,
       floor(extract(epoch FROM clock_timestamp() - a.query_start))::bigint AS query_age_s,
       a.wait_event_type,
       a.wait_event,
       a.backend_type,
       -- Servers before 13 have no such column.
       (to_jsonb(a) ->> 'leader_pid')::int AS leader_pid,
       a.datname,
       age(a.backend_xid)::bigint AS backend_xid_age,
       age(a.backend_xmin)::bigint AS xmin_age,
       left(a.query, 600) AS query,
       count(*) OVER () AS total
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid()
  AND ($1::text IS NULL OR a.state = $1::text)
  AND ($2::text IS NULL OR a.usename = $2::text)
  AND ($3::text IS NULL OR a.application_name = $3::text)
  AND ($4::bigint IS NULL OR a.state_change <= clock_timestamp() - make_interval(secs => $4::bigint))
  -- Without pg_read_all_stats a client's backend_type is hidden, but its role is not.
  AND ($5::bool OR a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL))
ORDER BY a.xact_start NULLS LAST, a.state_change NULLS LAST, a.pid
