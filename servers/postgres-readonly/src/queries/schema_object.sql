-- One relation from plain catalog columns; nothing here takes a lock on it. pg_get_expr is asked only for expressions
-- without columns and without naming the relation, and pg_get_constraintdef only for keys: with a relation the one, and
-- with expressions the other, open it. $1 schema, $2 name; an exact name goes before one in lower case.
WITH found AS MATERIALIZED (
    SELECT c.*, n.nspname, count(*) OVER () AS matches
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname IN ($2::text, lower($2::text))
      AND ($1::text IS NULL OR n.nspname IN ($1::text, lower($1::text)))
      AND n.nspname NOT LIKE 'pg\_toast%'
      AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I')
    ORDER BY n.nspname IS NOT DISTINCT FROM $1::text DESC, c.relname = $2::text DESC,
             n.nspname IN ('pg_catalog', 'information_schema'), n.nspname
    LIMIT 1
)
SELECT o.oid::bigint AS oid,
       o.matches,
       o.nspname AS schema,
       o.relname AS name,
       quote_ident(o.nspname) || '.' || quote_ident(o.relname) AS qualified,
       o.relkind::text AS relkind,
       o.relpersistence = 'u' AS unlogged,
       pg_get_userbyid(o.relowner) AS owner,
       CASE WHEN o.reltuples >= 0 AND o.relkind IN ('r', 'm', 'p', 'f') THEN o.reltuples::float8 END AS estimated_rows,
       o.relpages::bigint * b.size AS bytes,
       t.relpages::bigint * b.size AS toast_bytes,
       to_jsonb(o.reloptions) AS reloptions,
       s.spcname AS tablespace,
       o.relrowsecurity AS row_security,
       o.relforcerowsecurity AS force_row_security,
       left(d.description, 2000) AS comment,
       (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.number)
        FROM (SELECT a.attnum AS number,
                     a.attname AS name,
                     quote_ident(a.attname) AS quoted,
                     format_type(a.atttypid, a.atttypmod) AS type,
                     NOT a.attnotnull AS nullable,
                     CASE WHEN a.attgenerated = '' THEN left(pg_get_expr(f.adbin, 0), 1000) END AS "default",
                     CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
                     CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END AS generated,
                     CASE WHEN a.attcollation <> y.typcollation THEN quote_ident(l.collname) END AS collation,
                     a.attislocal AS local,
                     left(e.description, 300) AS comment
              FROM pg_attribute a
              LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
              LEFT JOIN pg_type y ON y.oid = a.atttypid
              LEFT JOIN pg_collation l ON l.oid = a.attcollation
              LEFT JOIN pg_description e ON e.classoid = 1259 AND e.objoid = a.attrelid AND e.objsubid = a.attnum
              WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
              ORDER BY a.attnum
              LIMIT 500) x) AS columns,
       (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns_total,
       (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.name)
        FROM (SELECT k.conname AS name,
                     quote_ident(k.conname) AS quoted,
                     CASE k.contype WHEN 'p' THEN 'primary_key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign_key' WHEN 'c' THEN 'check'
                                    WHEN 'x' THEN 'exclusion' WHEN 't' THEN 'trigger' WHEN 'n' THEN 'not_null' ELSE k.contype::text END AS kind,
                     CASE WHEN k.contype IN ('p', 'u', 'f') THEN pg_get_constraintdef(k.oid) END AS definition,
                     k.convalidated AS validated
              FROM pg_constraint k
              WHERE k.conrelid = o.oid
              ORDER BY k.conname
              LIMIT 200) x) AS constraints,
       (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.name)
        FROM (SELECT k.conname AS name, rn.nspname || '.' || rc.relname AS "table", pg_get_constraintdef(k.oid) AS definition
              FROM pg_constraint k
              JOIN pg_class rc ON rc.oid = k.conrelid
              JOIN pg_namespace rn ON rn.oid = rc.relnamespace
              WHERE k.confrelid = o.oid AND k.contype = 'f' AND k.conparentid = 0
              ORDER BY k.conname
              LIMIT 50) x) AS referenced_by,
       (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.name)
        FROM (SELECT ic.relname AS name,
                     m.amname AS method,
                     i.indisunique AS "unique",
                     i.indisprimary AS "primary",
                     i.indisvalid AS valid,
                     i.indpred IS NOT NULL AS partial,
                     ic.relpages::bigint * b.size AS bytes,
                     (SELECT jsonb_agg(coalesce(a.attname, '(expression)') ORDER BY u.place)
                      FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (attnum, place)
                      LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
                      WHERE u.place <= i.indnkeyatts) AS columns,
                     (SELECT jsonb_agg(a.attname ORDER BY u.place)
                      FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (attnum, place)
                      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
                      WHERE u.place > i.indnkeyatts) AS include,
                     EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) AS of_constraint
              FROM pg_index i
              JOIN pg_class ic ON ic.oid = i.indexrelid
              JOIN pg_am m ON m.oid = ic.relam
              WHERE i.indrelid = o.oid OR i.indexrelid = o.oid
              ORDER BY ic.relname
              LIMIT 200) x) AS indexes,
       (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.name)
        FROM (SELECT g.tgname AS name, fn.nspname || '.' || fp.proname AS function, g.tgenabled <> 'D' AS enabled
              FROM pg_trigger g
              JOIN pg_proc fp ON fp.oid = g.tgfoid
              JOIN pg_namespace fn ON fn.oid = fp.pronamespace
              WHERE g.tgrelid = o.oid AND NOT g.tgisinternal
              ORDER BY g.tgname
              LIMIT 100) x) AS triggers,
       (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.name)
        FROM (SELECT p.polname AS name,
                     quote_ident(p.polname) AS quoted,
                     CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END AS command,
                     p.polpermissive AS permissive,
                     (SELECT jsonb_agg(CASE r.oid WHEN 0 THEN 'public' ELSE pg_get_userbyid(r.oid)::text END) FROM unnest(p.polroles) r (oid)) AS roles
              FROM pg_policy p
              WHERE p.polrelid = o.oid
              ORDER BY p.polname
              LIMIT 100) x) AS policies,
       (SELECT jsonb_build_object(
                   'strategy', CASE pt.partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' ELSE 'hash' END,
                   'columns', (SELECT jsonb_agg(coalesce(quote_ident(a.attname), '(expression)') ORDER BY u.place)
                               FROM unnest(pt.partattrs::int2[]) WITH ORDINALITY u (attnum, place)
                               LEFT JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = u.attnum))
        FROM pg_partitioned_table pt
        WHERE pt.partrelid = o.oid) AS partitioned_by,
       CASE WHEN o.relispartition THEN left(pg_get_expr(o.relpartbound, 0), 1000) END AS partition_bound,
       (SELECT jsonb_agg(quote_ident(pn.nspname) || '.' || quote_ident(pc.relname) ORDER BY h.inhseqno)
        FROM pg_inherits h
        JOIN pg_class pc ON pc.oid = h.inhparent
        JOIN pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE h.inhrelid = o.oid AND o.relkind NOT IN ('i', 'I')) AS parents,
       (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.name)
        FROM (SELECT hn.nspname || '.' || hc.relname AS name, left(pg_get_expr(hc.relpartbound, 0), 300) AS bound
              FROM pg_inherits h
              JOIN pg_class hc ON hc.oid = h.inhrelid
              JOIN pg_namespace hn ON hn.oid = hc.relnamespace
              WHERE h.inhparent = o.oid AND o.relkind NOT IN ('i', 'I')
              ORDER BY 1
              LIMIT 100) x) AS children,
       (SELECT count(*) FROM pg_inherits h WHERE h.inhparent = o.oid) AS children_total,
       (SELECT jsonb_agg(to_jsonb(x))
        FROM (SELECT CASE e.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(e.grantee)::text END AS grantee,
                     jsonb_agg(e.privilege_type ORDER BY e.privilege_type) AS privileges
              FROM aclexplode(coalesce(o.relacl, acldefault(CASE o.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", o.relowner))) e
              GROUP BY e.grantee
              ORDER BY e.grantee
              LIMIT 50) x) AS privileges,
       (SELECT jsonb_build_object('type', format_type(q.seqtypid, NULL), 'start', q.seqstart::text, 'increment', q.seqincrement::text,
                                  'min', q.seqmin::text, 'max', q.seqmax::text, 'cache', q.seqcache::text, 'cycle', q.seqcycle)
        FROM pg_sequence q
        WHERE q.seqrelid = o.oid) AS sequence,
       (SELECT ti.nspname || '.' || tc.relname
        FROM pg_index i
        JOIN pg_class tc ON tc.oid = i.indrelid
        JOIN pg_namespace ti ON ti.oid = tc.relnamespace
        WHERE i.indexrelid = o.oid) AS index_of,
       EXISTS (SELECT 1
               FROM pg_locks l
               WHERE l.locktype = 'relation'
                 AND l.relation = o.oid
                 AND l.mode = 'AccessExclusiveLock'
                 AND l.database IN (0, (SELECT db.oid FROM pg_database db WHERE db.datname = current_database()))) AS locked
FROM found o
CROSS JOIN (SELECT current_setting('block_size')::bigint AS size) b
LEFT JOIN pg_class t ON t.oid = o.reltoastrelid
LEFT JOIN pg_tablespace s ON s.oid = o.reltablespace
LEFT JOIN pg_description d ON d.classoid = 1259 AND d.objoid = o.oid AND d.objsubid = 0
