-- Checkpoints by cause, up to PostgreSQL 16.
SELECT b.checkpoints_timed AS timed, b.checkpoints_req AS requested
FROM pg_stat_bgwriter b
