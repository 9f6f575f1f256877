SELECT pg_catalog.has_table_privilege($1::pg_catalog.oid, 'MAINTAIN') AS granted
