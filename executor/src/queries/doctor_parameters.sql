SELECT p.parname AS parameter, a.privilege_type AS privilege, pg_catalog.quote_ident(coalesce(r.rolname, 'public')) AS grantee
FROM pg_catalog.pg_parameter_acl p
CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
WHERE a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'MEMBER')
ORDER BY 1, 2
