-- What a relation is, and what reading it would call: a view's definition, the policies that row security adds, and
-- whether a foreign table hangs under it. pg_get_viewdef locks the view itself; lock_timeout bounds that.
SELECT c.relkind::text AS kind,
       c.oid < 16384 AS builtin,
       CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
       CASE WHEN c.relrowsecurity THEN (
           SELECT pg_catalog.jsonb_agg(pg_catalog.pg_get_expr(p.polqual, p.polrelid))
           FROM pg_catalog.pg_policy p
           WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL)
       END AS policies,
       EXISTS (
           WITH RECURSIVE below (oid) AS (
               SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid
               UNION
               SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below b ON i.inhparent = b.oid
           )
           SELECT FROM below b JOIN pg_catalog.pg_class k ON k.oid = b.oid WHERE k.relkind = 'f'
       ) AS has_foreign_parts
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = $2::text
