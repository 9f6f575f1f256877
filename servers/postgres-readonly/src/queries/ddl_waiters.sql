-- Statements that wait for a strong lock on a table of this database, whom each waits for, and how many wait behind it.
-- Strong is told by the lock that is asked for, never by the text of the statement. Takes no lock on any user object.
WITH waiting AS MATERIALIZED (
    SELECT l.pid, l.locktype, l.mode, l.database, l.relation,
           (to_jsonb(l) ->> 'waitstart')::timestamptz AS waitstart,
           pg_blocking_pids(l.pid) AS blocked_by
    FROM pg_locks l
    WHERE NOT l.granted AND l.pid IS NOT NULL
)
SELECT coalesce(c.relname::text, 'oid ' || w.relation) AS relation,
       n.nspname AS schema,
       a.pid,
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
       to_char(a.query_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS query_start,
       a.usename,
       a.application_name,
       w.mode,
       floor(extract(epoch FROM clock_timestamp() - coalesce(w.waitstart, a.query_start)))::bigint AS wait_age_s,
       left(a.query, 600) AS query,
       (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.xact_age_s DESC NULLS LAST, s.pid)
        FROM (
            SELECT b.pid,
                   to_char(k.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
                   CASE b.pid WHEN 0 THEN 'prepared' ELSE k.state END AS state,
                   floor(extract(epoch FROM clock_timestamp() - k.xact_start))::bigint AS xact_age_s,
                   k.usename,
                   k.application_name,
                   left(k.query, 300) AS query
            FROM (SELECT DISTINCT u.pid FROM unnest(w.blocked_by) u (pid) ORDER BY u.pid LIMIT 20) b
            LEFT JOIN pg_stat_activity k ON k.pid = b.pid
        ) s) AS blocked_by,
       (SELECT count(*) FROM waiting q WHERE w.pid = ANY (q.blocked_by)) AS queued_behind
FROM waiting w
JOIN pg_stat_activity a ON a.pid = w.pid
LEFT JOIN pg_class c ON c.oid = w.relation
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE w.locktype = 'relation'
  AND w.database IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
  AND w.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
ORDER BY queued_behind DESC, wait_age_s DESC, a.pid
