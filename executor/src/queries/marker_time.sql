SELECT pg_catalog.floor(EXTRACT(epoch FROM at))::int8
FROM countersign.executed_steps
WHERE plan_digest = $1 AND step_id = $2 AND direction = $3
