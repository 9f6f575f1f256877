-- Everybody who waits for a heavyweight lock, and everybody they wait for: sessions in any state, and prepared
-- transactions, which have no session and which pg_blocking_pids calls 0. Reads plain catalog columns and takes no lock
-- on any user object. to_jsonb(l) because waitstart is missing before PostgreSQL 14.
WITH locks AS MATERIALIZED (
    SELECT * FROM pg_locks
),
waiting AS MATERIALIZED (
    SELECT l.pid, l.locktype, l.mode, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid,
           l.objid, l.objsubid,
           (to_jsonb(l) ->> 'waitstart')::timestamptz AS waitstart,
           pg_blocking_pids(l.pid) AS blocked_by
    FROM locks l
    WHERE NOT l.granted AND l.pid IS NOT NULL
),
wanted AS (
    -- Who waits for a transaction waits for a row: the row's table is known from the tuple lock that it holds meanwhile.
    SELECT w.*, coalesce(w.relation, t.relation) AS on_relation, coalesce(w.database, t.database) AS on_database
    FROM waiting w
    LEFT JOIN LATERAL (
        SELECT l.relation, l.database
        FROM locks l
        WHERE w.locktype = 'transactionid' AND l.pid = w.pid AND l.granted AND l.locktype = 'tuple'
        LIMIT 1) t ON true
),
conflicts (held, wants) AS (
    VALUES ('AccessShareLock', ARRAY['AccessExclusiveLock']),
           ('RowShareLock', ARRAY['ExclusiveLock', 'AccessExclusiveLock']),
           ('RowExclusiveLock', ARRAY['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']),
           ('ShareUpdateExclusiveLock', ARRAY['ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                                              'ExclusiveLock', 'AccessExclusiveLock']),
           ('ShareLock', ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                               'AccessExclusiveLock']),
           ('ShareRowExclusiveLock', ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                                           'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']),
           ('ExclusiveLock', ARRAY['RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                                   'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']),
           ('AccessExclusiveLock', ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock',
                                         'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                                         'ExclusiveLock', 'AccessExclusiveLock'])
),
prepared AS (
    SELECT x.gid, x.prepared, x.owner, x.database, jsonb_agg(DISTINCT w.pid) AS blocks
    FROM locks l
    JOIN conflicts c ON c.held = l.mode
    JOIN waiting w
      ON w.mode = ANY (c.wants)
     AND 0 = ANY (w.blocked_by)
     AND (w.locktype, w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid, w.classid, w.objid, w.objsubid)
         IS NOT DISTINCT FROM
         (l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid)
    -- All locks of a prepared transaction carry one virtual id, the one on its own transaction id among them.
    JOIN locks own
      ON own.virtualtransaction = l.virtualtransaction AND own.pid IS NULL AND own.granted AND own.locktype = 'transactionid'
    JOIN pg_prepared_xacts x ON x.transaction = own.transactionid
    WHERE l.granted AND l.pid IS NULL
    GROUP BY x.gid, x.prepared, x.owner, x.database
),
involved AS (
    SELECT w.pid FROM waiting w
    UNION
    SELECT b.pid FROM waiting w CROSS JOIN LATERAL unnest(w.blocked_by) b (pid)
)
SELECT a.pid,
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS backend_start,
       to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS xact_start,
       to_char(a.query_start, 'YYYY-MM-DD HH24:MI:SS.USOF') AS query_start,
       a.state,
       floor(extract(epoch FROM clock_timestamp() - a.state_change))::bigint AS state_age_s,
       floor(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint AS xact_age_s,
       a.usename,
       a.application_name,
       a.datname,
       a.wait_event_type,
       a.wait_event,
       left(a.query, 600) AS query,
       NULL::text AS gid,
       NULL::jsonb AS blocks,
       to_jsonb(w.blocked_by) AS blocked_by,
       w.locktype,
       w.mode,
       n.nspname || '.' || c.relname AS relation,
       floor(extract(epoch FROM clock_timestamp() - coalesce(w.waitstart, a.query_start)))::bigint AS wait_age_s
FROM involved i
JOIN pg_stat_activity a ON a.pid = i.pid
LEFT JOIN wanted w ON w.pid = a.pid
LEFT JOIN pg_class c
       ON c.oid = w.on_relation
      AND w.on_database IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 0, NULL, to_char(p.prepared, 'YYYY-MM-DD HH24:MI:SS.USOF'), NULL, 'prepared',
       floor(extract(epoch FROM clock_timestamp() - p.prepared))::bigint,
       floor(extract(epoch FROM clock_timestamp() - p.prepared))::bigint,
       p.owner, NULL, p.database, NULL, NULL, NULL, p.gid, p.blocks, NULL, NULL, NULL, NULL, NULL
FROM prepared p
