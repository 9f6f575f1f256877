-- Checkpoints by cause, from PostgreSQL 17 on.
SELECT c.num_timed AS timed, c.num_requested AS requested
FROM pg_stat_checkpointer c
