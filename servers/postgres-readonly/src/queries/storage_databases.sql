-- The exact size of every database that may be measured; the server looks at every file for it.
SELECT d.datname AS database,
       CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') OR has_database_privilege(d.oid, 'CONNECT')
            THEN pg_database_size(d.oid) END AS bytes
FROM (SELECT x.oid, x.datname FROM pg_database x ORDER BY x.datname = current_database() DESC, x.datname LIMIT 50) d
ORDER BY 2 DESC NULLS LAST, 1
