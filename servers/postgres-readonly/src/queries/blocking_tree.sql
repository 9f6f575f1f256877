-- Everybody who waits for a heavyweight lock, everybody they wait for, what those hold of it, and all prepared
-- transactions, which have no session and which pg_blocking_pids calls 0. One row per fact: its kind, and its body.
-- pg_blocking_pids is asked once for each who waits; all else is joined by hash on what a lock is on, so that a deep queue
-- costs no square. Reads plain catalog columns and takes no lock on any user object. to_jsonb(l) because waitstart is
-- missing before PostgreSQL 14.
WITH locks AS MATERIALIZED (
    SELECT l.*,
           (l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid,
            l.objsubid)::text AS target
    FROM pg_locks l
),
waiting AS MATERIALIZED (
    SELECT l.pid, l.locktype, l.mode, l.database, l.relation, l.target,
           (to_jsonb(l) ->> 'waitstart')::timestamptz AS waitstart,
           pg_blocking_pids(l.pid) AS blocked_by
    FROM locks l
    WHERE NOT l.granted AND l.pid IS NOT NULL
),
rows_held AS MATERIALIZED (
    -- Who waits for a transaction waits for a row: the row's table is known from the tuple lock that it holds meanwhile.
    SELECT DISTINCT ON (l.pid) l.pid, l.database, l.relation
    FROM locks l
    WHERE l.granted AND l.locktype = 'tuple'
    ORDER BY l.pid
),
here AS MATERIALIZED (
    SELECT d.oid FROM pg_database d WHERE d.datname = current_database()
),
names AS MATERIALIZED (
    SELECT r.relation,
           (SELECT c.relname FROM pg_class c WHERE c.oid = r.relation) AS relname,
           (SELECT n.nspname
            FROM pg_namespace n
            WHERE n.oid = (SELECT c.relnamespace FROM pg_class c WHERE c.oid = r.relation)) AS schema
    FROM (SELECT w.relation, w.database FROM waiting w UNION SELECT t.relation, t.database FROM rows_held t) r
    WHERE r.relation IS NOT NULL AND r.database IN (0, (SELECT here.oid FROM here))
),
held AS MATERIALIZED (
    SELECT l.pid, l.virtualtransaction, l.locktype, l.mode, l.database, l.relation, l.target
    FROM locks l
    WHERE l.granted
      AND l.target IN (SELECT w.target FROM waiting w)
    LIMIT 3000
),
activity AS MATERIALIZED (
    SELECT * FROM pg_stat_activity
),
-- Whom pg_blocking_pids names either waits as well or holds a lock on what is waited for, if need be through a parallel
-- worker, for which it names the leader. Taking its arrays apart instead would cost the square of the queue.
involved AS (
    SELECT w.pid FROM waiting w
    UNION
    SELECT h.pid FROM held h WHERE h.pid IS NOT NULL
    UNION
    SELECT a.leader_pid FROM held h JOIN activity a ON a.pid = h.pid WHERE a.leader_pid IS NOT NULL
    UNION
    SELECT a.leader_pid FROM waiting w JOIN activity a ON a.pid = w.pid WHERE a.leader_pid IS NOT NULL
),
session_facts AS (
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
           nullif(a.backend_type, 'client backend') AS backend_type,
           a.wait_event_type,
           a.wait_event,
           left(a.query, 600) AS query,
           -- Of a standby's startup process, which replays a schema change, pg_blocking_pids knows nothing. It asks for
           -- access exclusive locks, so whoever holds the table is in its way.
           array_to_string(CASE WHEN w.pid IS NOT NULL AND a.backend_type = 'startup'
                                THEN ARRAY(SELECT DISTINCT h.pid FROM held h WHERE h.target = w.target AND h.pid IS NOT NULL)
                                ELSE w.blocked_by END, ' ') AS blocked_by,
           w.locktype,
           w.mode,
           w.target,
           w.locktype = 'relation' AND w.database IN (0, (SELECT here.oid FROM here)) AS on_a_table_here,
           coalesce(w.relation, t.relation)::bigint AS relation_oid,
           n.schema,
           n.relname AS relation,
           floor(extract(epoch FROM clock_timestamp() - coalesce(w.waitstart, a.query_start)))::bigint AS wait_age_s
    FROM involved i
    JOIN activity a ON a.pid = i.pid
    LEFT JOIN waiting w ON w.pid = a.pid
    LEFT JOIN rows_held t ON t.pid = w.pid AND w.locktype = 'transactionid'
    LEFT JOIN names n ON n.relation = coalesce(w.relation, t.relation) AND coalesce(w.database, t.database) IN (0, (SELECT here.oid FROM here))
),
prepared_facts AS (
    SELECT left(x.gid, 200) AS gid,
           to_char(x.prepared, 'YYYY-MM-DD HH24:MI:SS.USOF') AS prepared,
           floor(extract(epoch FROM clock_timestamp() - x.prepared))::bigint AS age_s,
           x.owner,
           x.database,
           own.virtualtransaction,
           (SELECT count(*) FROM locks l WHERE l.pid IS NULL AND l.virtualtransaction = own.virtualtransaction) AS locks_held
    FROM pg_prepared_xacts x
    -- All locks of a prepared transaction carry one virtual id, the one on its own transaction id among them.
    LEFT JOIN locks own
           ON own.transactionid = x.transaction AND own.pid IS NULL AND own.granted AND own.locktype = 'transactionid'
    ORDER BY x.prepared
    LIMIT 500
),
held_facts AS (
    SELECT h.pid, h.virtualtransaction, h.locktype, h.mode, h.target, n.schema, n.relname AS relation
    FROM held h
    LEFT JOIN names n ON n.relation = h.relation AND h.database IN (0, (SELECT here.oid FROM here))
)
SELECT 'session' AS kind, to_jsonb(s) AS body FROM session_facts s
UNION ALL
SELECT 'prepared', to_jsonb(p) FROM prepared_facts p
UNION ALL
SELECT 'held', to_jsonb(h) FROM held_facts h
