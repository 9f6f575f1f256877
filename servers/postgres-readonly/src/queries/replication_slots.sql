-- Replication slots and the WAL that each keeps; the most first. A slot without restart_lsn keeps none, or has lost it.
SELECT s.slot_name,
       s.slot_type,
       s.plugin,
       s.database,
       s.temporary,
       s.active,
       s.active_pid,
       pg_wal_lsn_diff(l.lsn, s.restart_lsn)::bigint AS retained_wal_bytes,
       s.safe_wal_size,
       s.wal_status,
       age(s.xmin)::bigint AS xmin_age,
       age(s.catalog_xmin)::bigint AS catalog_xmin_age,
       to_char((to_jsonb(s) ->> 'inactive_since')::timestamptz, 'YYYY-MM-DD HH24:MI:SS.USOF') AS inactive_since,
       to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
       count(*) OVER () AS total
FROM pg_replication_slots s
CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) l
ORDER BY retained_wal_bytes DESC NULLS LAST, s.slot_name
LIMIT 100
