# Whether a plan may go on. `allow` holds only where every part is proven fine: a part that is missing, odd, or of a kind
# that no rule knows proves nothing, and so the plan is refused. `denials` explain; they decide nothing.
package countersign

default allow := false

allow if {
	plan_proven
	target_proven
	requester_proven
	policy_proven
	window_proven
	change_window_proven
	freeze_proven
	rate_proven
	evidence_proven
	blast_radius_proven
	verification_proven
	checks_proven
	steps_proven
}

steps_proven if {
	is_array(input.steps)
	count(input.steps) > 0
	count(input.steps) <= limits.steps
	every step in input.steps {
		step_proven(step)
	}
}

checks_proven if {
	input.prechecks != []
	all_checks_proven(input.prechecks)
	all_checks_proven(input.stop_if)
}

# What the people who approve and the executor must keep to. An environment that is not known to be a lesser one counts
# as production: a misspelt name must not lower the bar.
# Risk decides, not irreversibility: an ended session loses its open transaction for good and is still low risk.
default approvers := 2

approvers := 1 if {
	input.plan.target.environment in lesser_environments
	input.plan.risk in {"low", "medium"}
}

# Each of these groups must be represented, by different people.
default groups := []

groups := high_risk_groups if {
	input.plan.risk == "high"
	not input.plan.target.environment in lesser_environments
}

# A class that people may approve ahead of time, by a grant that they sign. This alone approves nothing.
default preapproval := "never"

preapproval := "grant" if {
	input.plan.risk == "low"
	input.plan.target.environment in lesser_environments
}

obligations := {
	"approvers": approvers,
	"groups": groups,
	"methods": ["passkey", "ssh"],
	"approve_within_s": limits.approval_window_s,
	"execute_within_s": limits.execution_window_s,
	"preapproval": preapproval,
}

decision := {
	"allow": allow,
	"denials": denials,
	"obligations": obligations,
}
