SELECT pg_catalog.count(*)
FROM countersign.executed_steps
WHERE plan_digest = $1 AND direction = 'do'
