SELECT d.sessions_killed AS killed, coalesce(d.stats_reset::pg_catalog.text, '') AS counted_since
FROM pg_catalog.pg_stat_database d
WHERE d.datname = pg_catalog.current_database()
