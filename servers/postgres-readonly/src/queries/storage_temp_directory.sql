-- Temporary files that lie in the tablespaces now.
SELECT count(t.name) AS files, coalesce(sum(t.size), 0)::bigint AS bytes
FROM pg_tablespace s
LEFT JOIN LATERAL pg_ls_tmpdir(s.oid) t ON true
WHERE s.spcname <> 'pg_global'
