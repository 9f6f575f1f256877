-- The slot is gone, and the next checkpoints have given its WAL back.
SELECT (SELECT count(*) = 0 FROM pg_replication_slots)
   AND (SELECT sum(size) < 120 * 1024 * 1024 FROM pg_ls_waldir())
