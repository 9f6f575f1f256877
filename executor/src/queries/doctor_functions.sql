-- The two functions that signal, as they are here.
SELECT p.proname::pg_catalog.text AS name,
       p.prosrc AS body,
       l.lanname = 'sql' AND p.prosecdef AND p.prokind = 'f' AND NOT p.proretset
           AND p.prorettype = 'pg_catalog.bool'::pg_catalog.regtype
           AND p.proconfig = ARRAY['search_path=pg_catalog, pg_temp'] IS TRUE AS made_so,
       NOT o.rolcanlogin AND NOT o.rolsuper AND pg_catalog.pg_has_role(o.oid, 'pg_signal_backend', 'USAGE')
           AND pg_catalog.pg_has_role(o.oid, 'pg_read_all_stats', 'USAGE') AS owned_so,
       pg_catalog.quote_ident(o.rolname) AS owner,
       pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AS callable
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
WHERE n.nspname = 'countersign' AND p.proname IN ('terminate_backend', 'cancel_backend')
  AND pg_catalog.oidvectortypes(p.proargtypes) = 'integer, timestamp with time zone'
