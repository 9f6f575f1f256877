-- The functions behind operators. The planner may put an operator's commutator or negator in its place, and sort by the
-- functions of a family that it belongs to.
SELECT o.oid,
       n.nspname AS schema,
       o.oprname AS name,
       (SELECT jsonb_agg(DISTINCT f.oid::bigint)
        FROM (
            SELECT s.oprcode FROM pg_operator s WHERE s.oid IN (o.oid, o.oprcom, o.oprnegate)
            UNION ALL
            SELECT a.amproc
            FROM pg_amop m
            JOIN pg_amproc a ON a.amprocfamily = m.amopfamily
            WHERE m.amopopr = o.oid AND m.oid >= 16384
        ) f (oid)
        WHERE f.oid <> 0) AS functions
FROM pg_operator o
JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE o.oid = ANY ($1::oid[])
