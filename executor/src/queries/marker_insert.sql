INSERT INTO countersign.executed_steps (plan_digest, step_id, direction, executor, order_id, fence)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (plan_digest, step_id, direction) DO NOTHING
