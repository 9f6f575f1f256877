-- How old the oldest transaction and multixact ids of each database are; the oldest first.
SELECT d.datname AS database,
       age(d.datfrozenxid)::bigint AS xid_age,
       mxid_age(d.datminmxid)::bigint AS mxid_age,
       current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_freeze_max_age,
       count(*) OVER () AS total
FROM pg_database d
ORDER BY greatest(age(d.datfrozenxid)::float8 / current_setting('autovacuum_freeze_max_age')::float8,
                  mxid_age(d.datminmxid)::float8 / current_setting('autovacuum_multixact_freeze_max_age')::float8) DESC,
         d.datname = current_database() DESC, d.datname
LIMIT 50
