# The plan as a whole: what it is, where it goes, when, how often, and how far it reaches.
#
# Rego orders null before numbers and numbers before texts, so what lies between two numbers is one. Arithmetic on
# anything else is an error, and an error refuses.
package countersign

plan_proven if {
	named(input.plan.incident)
	named(input.plan.root_cause)
	named(input.plan.runbook.id)
	is_number(input.plan.runbook.version)
	input.plan.runbook.version >= 1
	named(input.plan.runbook.digest)
	input.plan.risk in {"low", "medium", "high"}
	input.plan.max_executions == 1
}

target_proven if {
	named(input.plan.target.name)
	named(input.plan.target.environment)
	named(input.plan.target.system_identifier)
	named(input.plan.target.database)
	input.plan.target == input.context.target
}

requester_proven if {
	named(input.plan.requester)
	input.plan.requester == input.context.requester
}

policy_proven if {
	named(input.plan.policy_digest)
	input.plan.policy_digest == input.context.policy_digest
}

window_proven if {
	window_open
	window_short
}

window_open if {
	input.plan.not_before <= input.context.now
	input.context.now < input.plan.expires_at
}

window_short if {
	input.plan.not_before < input.plan.approve_by
	input.plan.approve_by - input.plan.not_before <= limits.approval_window_s
	input.plan.approve_by < input.plan.expires_at
	input.plan.expires_at - input.plan.approve_by <= limits.execution_window_s
}

freeze_proven if {
	input.context.freeze == false
	is_string(input.context.freeze_until)
}

# The operator's own windows, where there are any; `window_proven` is about the plan's.
change_window_proven if {
	input.context.window_open == true
	is_string(input.context.window_opens)
}

rate_proven if {
	within(input.context.executions_last_day, 0, limits.executions_last_day - 1)
}

# Texts that the incident's evidence gave; whatever a plan changes must be among them.
evidence_proven if {
	is_array(input.plan.evidence)
	every evidence_text in input.plan.evidence {
		is_string(evidence_text.field)
		is_string(evidence_text.text)
		is_string(evidence_text.row)
	}
}

blast_radius_proven if {
	is_array(input.blast_radius)
	count(input.blast_radius) > 0
	every radius in input.blast_radius {
		radius_proven(radius)
		reading_proven(radius.sql)
	}
}

radius_proven(radius) if {
	named(radius.id)
	within(radius.limit, 0, limits.blast_radius[radius.unit])
	is_number(radius.expected)
	radius.expected <= radius.limit
}

verification_proven if {
	verification_times_proven
	reading_proven(input.verification.sql)
	all_checks_proven(input.verification.collateral)
}

verification_times_proven if {
	within(input.verification.deadline_s, 1, limits.verification_s)
	within(input.verification.hold_s, 1, input.verification.deadline_s)
	within(input.verification.interval_ms, 100, 1000 * input.verification.deadline_s)
}

named(text) if {
	is_string(text)
	trim_space(text) != ""
}

within(number, low, high) if {
	number >= low
	number <= high
}
