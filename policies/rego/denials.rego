# Why a plan was refused, for people and agents: what, where, and what would be allowed. Nothing here allows anything.
package countersign

denial(code, message, step, span, allowed) := {
	"code": code,
	"message": message,
	"step": step,
	"span": span,
	"allowed": allowed,
}

# --- the plan

denials contains denial("malformed_plan", "a field that says what the plan is has no value", "", "", "") if not plan_proven

denials contains denial("malformed_plan", "what the evidence gave is not a list of texts", "", "", "") if not evidence_proven

denials contains denial(
	"outside_target",
	"the plan is for another target than this gate or executor is configured for",
	"",
	json.marshal(input.plan.target),
	json.marshal(input.context.target),
) if {
	not target_proven
}

denials contains denial(
	"wrong_requester",
	"the plan names another requester than the one who asks",
	"",
	input.plan.requester,
	input.context.requester,
) if {
	not requester_proven
}

denials contains denial(
	"wrong_policy",
	"the plan was made under another policy",
	"",
	input.plan.policy_digest,
	input.context.policy_digest,
) if {
	not policy_proven
}

denials contains denial(
	"outside_window",
	"the plan is not valid now",
	"",
	sprintf("now %d", [input.context.now]),
	sprintf("from %d until before %d (seconds since 1970)", [input.plan.not_before, input.plan.expires_at]),
) if {
	not window_open
}

denials contains denial(
	"window_too_long",
	"the time for approval or the time for execution is empty or too long",
	"",
	sprintf("%d s, %d s", [
		input.plan.approve_by - input.plan.not_before,
		input.plan.expires_at - input.plan.approve_by,
	]),
	sprintf("1 to %d s for approval, then 1 to %d s for execution", [limits.approval_window_s, limits.execution_window_s]),
) if {
	not window_short
}

denials contains denial(
	"frozen",
	"changes are frozen",
	"",
	input.context.freeze_until,
	"any plan, once the freeze is lifted or over",
) if {
	not freeze_proven
}

denials contains denial(
	"outside_change_window",
	"no change window is open",
	"",
	sprintf("now %d (seconds since 1970)", [input.context.now]),
	concat(" ", ["any plan, once the next window opens:", input.context.window_opens]),
) if {
	not change_window_proven
}

denials contains denial(
	"too_many_executions",
	"this target has had too many executions in the last 24 hours",
	"",
	sprintf("%d", [input.context.executions_last_day]),
	sprintf("fewer than %d before this one", [limits.executions_last_day]),
) if {
	not rate_proven
}

denials contains denial(
	"blast_radius",
	"the plan does not say how far it reaches, or it reaches too far",
	"",
	sprintf("%d measures", [count(input.blast_radius)]),
	json.marshal(limits.blast_radius),
) if {
	count(input.blast_radius) == 0
}

denials contains denial(
	"blast_radius",
	sprintf("`%s` may reach further than is allowed, or its unit is unknown", [radius.id]),
	"",
	sprintf("%d %s, %d expected", [radius.limit, radius.unit, radius.expected]),
	json.marshal(limits.blast_radius),
) if {
	some radius in input.blast_radius
	not radius_proven(radius)
}

denials contains denial(
	"verification",
	"recovery is not looked for long enough, or for too long",
	"",
	sprintf("hold %d s, deadline %d s, every %d ms", [
		input.verification.hold_s,
		input.verification.deadline_s,
		input.verification.interval_ms,
	]),
	sprintf("hold from 1 s to the deadline, deadline up to %d s, every 100 ms or slower", [limits.verification_s]),
) if {
	not verification_times_proven
}

# --- each step

denials contains denial("no_steps", "a plan has from 1 to 50 steps", "", sprintf("%d steps", [count(input.steps)]), "") if {
	not within(count(input.steps), 1, limits.steps)
}

denials contains denial("no_prechecks", "nothing is checked before the first step", "", "", "at least one precheck") if {
	input.prechecks == []
}

denials contains denial("no_assertion", "no state proves this step", step.id, "", "at least one assertion") if {
	some step in input.steps
	not step.action.kind in remote_kinds
	step.asserts == []
}

denials contains denial(
	"statement_timeout",
	"the statement may run for ever or too long",
	step.id,
	sprintf("timeout_s %d", [action.timeout_s]),
	sprintf("1 to %d", [limits.statement_timeout_s]),
) if {
	some [step, action] in actions
	not statement_timeout_proven(action)
}

denials contains denial(
	"lock_timeout",
	"the statement may wait for a lock for ever or too long, and others would queue behind it",
	step.id,
	sprintf("lock_timeout_ms %d", [action.lock_timeout_ms]),
	sprintf("1 to %d", [limits.lock_timeout_ms]),
) if {
	some [step, action] in actions
	not lock_timeout_proven(action)
}

denials contains denial(
	"state_wait",
	"the state that proves the step may be waited for too long",
	step.id,
	sprintf("max_wait_s %d", [step.max_wait_s]),
	sprintf("0 to %d", [limits.state_wait_s]),
) if {
	some step in input.steps
	not within(step.max_wait_s, 0, limits.state_wait_s)
}

denials contains denial(
	"no_way_back",
	"the step is irreversible or has no way back, and does not say why, or says both",
	step.id,
	sprintf("irreversible %v, rollback %s", [step.irreversible, step.rollback.class]),
	"exact (reversible only), compensating, or none with a reason",
) if {
	some step in input.steps
	not way_back_proven(step)
}
