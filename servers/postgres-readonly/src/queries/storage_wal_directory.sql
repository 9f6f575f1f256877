-- What lies in the WAL directory.
SELECT count(*) AS files, coalesce(sum(w.size), 0)::bigint AS bytes FROM pg_ls_waldir() w
