SELECT executor, order_id
FROM countersign.executed_steps
WHERE plan_digest = $1 AND step_id = $2 AND direction = $3
