# What is allowed, and what people are then asked for.
package countersign_test

blocker := data.fixtures["idle-in-transaction-blocker"]

queue := data.fixtures["ddl-lock-queue"]

saturation := data.fixtures["connection-saturation"]

test_every_fixture_is_allowed_without_denials if {
	count(data.fixtures) > 10
	every name, plan in data.fixtures {
		allowed(plan)
		codes(plan) == set()
	}
}

test_what_is_proven_needs_no_explanation if {
	every name, plan in data.fixtures {
		statements := data.countersign.statements with input as plan
		statements == set()
	}
}

test_nothing_is_allowed_without_input if {
	every nothing in [{}, null, [], "", 0, false] {
		not allowed(nothing)
	}
}

test_one_person_approves_low_risk_in_a_lesser_environment if {
	data.countersign.obligations == {
		"approvers": 1,
		"groups": [],
		"methods": ["passkey", "ssh"],
		"approve_within_s": 900,
		"execute_within_s": 1800,
		"preapproval": "grant",
	} with input as queue
}

test_each_group_is_represented_for_high_risk_outside_the_lesser_environments if {
	every environment in ["production", "prodution", ""] {
		change := {"risk": "high", "target": {"environment": environment}}
		data.countersign.obligations.groups == ["dba", "service-owner"] with input as object.union(queue, {"plan": change})
	}
	every change in [{"risk": "high"}, {"target": {"environment": "production"}}, {"risk": "medium"}] {
		data.countersign.obligations.groups == [] with input as object.union(queue, {"plan": change})
	}
}

test_only_low_risk_in_a_lesser_environment_may_be_approved_ahead if {
	every change in [{"risk": "medium"}, {"risk": "high"}, {"risk": null}, {"target": {"environment": "production"}}] {
		data.countersign.obligations.preapproval == "never" with input as object.union(queue, {"plan": change})
	}
}

test_two_people_approve_for_production_for_high_risk_and_where_the_environment_is_unknown if {
	every change in [
		{"target": {"environment": "production"}},
		{"target": {"environment": "Demo"}},
		{"target": {"environment": "prod-eu"}},
		{"risk": "high"},
	] {
		data.countersign.obligations.approvers == 2 with input as object.union(queue, {"plan": change})
	}
}

test_two_people_approve_a_dropped_slot_wherever_it_runs if {
	data.countersign.obligations.approvers == 2 with input as data.fixtures["drop-replication-slot"]
}

test_the_decision_is_allow_denials_and_obligations if {
	decision := data.countersign.decision with input as blocker
	decision.allow == true
	decision.denials == set()
	decision.obligations.approvers == 1
}

# The first step, with a part replaced.
step_of(plan, change) := object.union(plan, {"steps": [object.union(plan.steps[0], change)]})

# The first step, with a part of the facts of its statement replaced.
statement_of(plan, change) := step_of(plan, {"action": {"sql": change}})

# The way back of the first step, with a part of its action replaced.
way_back_of(plan, change) := step_of(plan, {"rollback": {"actions": [object.union(plan.steps[0].rollback.actions[0], change)]}})

# The one call of the first step, with a part replaced.
call_of(plan, change) := step_of(plan, {"action": {"calls": [object.union(call, change) |
	some call in plan.steps[0].action.calls
	call.function in data.countersign.signal_functions
]}})

codes(plan) := {denial.code |
	denials := data.countersign.denials with input as plan
	some denial in denials
}

allowed(plan) if data.countersign.allow with input as plan

refused(plan) if {
	answer := data.countersign.allow with input as plan
	answer == false
}

refused_with(plan, code) if {
	refused(plan)
	code in codes(plan)
}
