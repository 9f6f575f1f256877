-- A digest of every table, the catalogs included. Tables that would spring a trap while they are planned are left out:
-- a write to them shows elsewhere.
SELECT c.oid::regclass::text AS name,
       (xpath('/row/md5/text()', query_to_xml(
           format('SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM ONLY %s t', c.oid::regclass), false, true, '')))[1]::text AS digest
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\_toast%'
  AND c.relname !~ '^(indexed|checked|with_statistics|parted)'
  AND (n.nspname, c.relname) NOT IN (('public', 'held'))
ORDER BY 1
