# Each thing that can be wrong with the plan as a whole, alone, is refused by its own name.
package countersign_test

plan_cases := [
	["malformed_plan", {"plan": {"incident": " "}}],
	["malformed_plan", {"plan": {"incident": 7}}],
	["malformed_plan", {"plan": {"root_cause": ""}}],
	["malformed_plan", {"plan": {"runbook": {"id": ""}}}],
	["malformed_plan", {"plan": {"runbook": {"version": 0}}}],
	["malformed_plan", {"plan": {"runbook": {"version": "1"}}}],
	["malformed_plan", {"plan": {"runbook": {"digest": ""}}}],
	["malformed_plan", {"plan": {"risk": "none"}}],
	["malformed_plan", {"plan": {"max_executions": 2}}],
	["malformed_plan", {"plan": {"evidence": {}}}],
	["malformed_plan", {"plan": {"evidence": [{"field": "usename", "text": 7, "row": "E1"}]}}],
	["malformed_plan", {"plan": {"evidence": [{"field": 7, "text": "app", "row": "E1"}]}}],
	["malformed_plan", {"plan": {"evidence": [{"field": "usename", "text": "app"}]}}],
	["outside_target", {"plan": {"target": {"name": "payments"}}}],
	["outside_target", {"plan": {"target": {"environment": "production"}}}],
	["outside_target", {"plan": {"target": {"system_identifier": "7302"}}}],
	["outside_target", {"plan": {"target": {"database": "postgres"}}}],
	["outside_target", {"plan": {"target": {"name": ""}}, "context": {"target": {"name": ""}}}],
	["outside_target", {"plan": {"target": {"environment": ""}}, "context": {"target": {"environment": ""}}}],
	["outside_target", {"plan": {"target": {"database": ""}}, "context": {"target": {"database": ""}}}],
	["outside_target", {
		"plan": {"target": {"system_identifier": ""}},
		"context": {"target": {"system_identifier": ""}},
	}],
	["wrong_requester", {"plan": {"requester": "somebody-else"}}],
	["wrong_requester", {"plan": {"requester": ""}, "context": {"requester": ""}}],
	["wrong_policy", {"plan": {"policy_digest": "sha256:other"}}],
	["wrong_policy", {"plan": {"policy_digest": ""}, "context": {"policy_digest": ""}}],
	["outside_window", {"context": {"now": blocker.plan.not_before - 1}}],
	["outside_window", {"context": {"now": blocker.plan.expires_at}}],
	["outside_window", {"context": {"now": "now"}}],
	["window_too_long", {"plan": {"approve_by": blocker.plan.not_before + 901}}],
	["window_too_long", {"plan": {"approve_by": blocker.plan.not_before, "expires_at": blocker.plan.not_before + 1800}}],
	["window_too_long", {"plan": {"approve_by": blocker.plan.expires_at, "not_before": blocker.plan.expires_at - 900}}],
	["window_too_long", {"plan": {"expires_at": blocker.plan.approve_by + 1801}}],
	["frozen", {"context": {"freeze": true}}],
	["frozen", {"context": {"freeze": "no"}}],
	["frozen", {"context": {"freeze_until": null}}],
	["outside_change_window", {"context": {"window_open": false, "window_opens": "2026-11-28T21:00:00Z"}}],
	["outside_change_window", {"context": {"window_open": "yes"}}],
	["too_many_executions", {"context": {"executions_last_day": 24}}],
	["too_many_executions", {"context": {"executions_last_day": -1}}],
	["no_steps", {"steps": []}],
	["no_steps", {"steps": [blocker.steps[0] | some _ in numbers.range(1, 51)]}],
	["no_prechecks", {"prechecks": []}],
	["blast_radius", {"blast_radius": []}],
	["verification", {"verification": {"hold_s": 0}}],
	["verification", {"verification": {"hold_s": 100, "deadline_s": 99}}],
	["verification", {"verification": {"deadline_s": 3601}}],
	["verification", {"verification": {"hold_s": null}}],
	["verification", {"verification": {"hold_s": "5"}}],
	["verification", {"verification": {"interval_ms": 99}}],
	["verification", {"verification": {"interval_ms": 1000 * blocker.verification.deadline_s + 1}}],
]

test_each_fault_of_a_plan_is_refused_by_name if {
	every case in plan_cases {
		refused_with(object.union(blocker, case[1]), case[0])
	}
}

test_an_opening_that_is_no_text_is_refused if refused(object.union(blocker, {"context": {"window_opens": null}}))

test_the_last_moment_and_the_last_execution_are_allowed if {
	allowed(object.union(blocker, {"context": {"now": blocker.plan.expires_at - 1, "executions_last_day": 23}}))
	allowed(object.union(blocker, {"context": {"now": blocker.plan.not_before}}))
}

radius_cases := [
	{"limit": 501},
	{"limit": -1},
	{"limit": "1"},
	{"unit": "databases"},
	{"unit": "statements", "limit": 51},
	{"unit": "tables", "limit": 2},
	{"unit": "indexes", "limit": 2},
	{"unit": "slots", "limit": 2},
	{"unit": "mib", "limit": 20481},
	{"expected": 2},
	{"expected": "many"},
	{"expected": null},
	{"id": ""},
]

test_each_fault_of_a_blast_radius_is_refused_by_name if {
	every change in radius_cases {
		refused_with(object.union(blocker, {"blast_radius": [object.union(blocker.blast_radius[0], change)]}), "blast_radius")
	}
}

test_an_expectation_up_to_the_limit_is_allowed if {
	allowed(object.union(blocker, {"blast_radius": [object.union(blocker.blast_radius[0], {"expected": 1})]}))
}

# A check that is not fine is refused wherever it stands.
test_a_check_that_writes_is_refused_wherever_it_stands if {
	bad := {"id": "bad", "expect": blocker.prechecks[0].expect, "sql": object.union(blocker.prechecks[0].sql, {"kind": "delete", "relations_written": ["orders"]})}
	step := blocker.steps[0]
	way_back := {"class": "exact", "reason": "", "actions": saturation.steps[0].rollback.actions, "asserts": [bad]}
	every place in [
		{"prechecks": [bad]},
		{"stop_if": [bad]},
		{"blast_radius": [object.union(blocker.blast_radius[0], {"sql": bad.sql})]},
		{"verification": {"sql": bad.sql}},
		{"verification": {"collateral": [bad]}},
		{"steps": [object.union(step, {"asserts": [bad]})]},
		{"steps": [object.union(step, {"irreversible": false, "rollback": way_back})]},
	] {
		refused_with(object.union(blocker, place), "forbidden_statement")
	}
}

test_a_check_that_only_reads_is_allowed_wherever_it_stands if {
	fine := blocker.prechecks[0]
	every place in [
		{"prechecks": [fine, fine]},
		{"stop_if": [fine]},
		{"verification": {"collateral": [fine]}},
		{"steps": [object.union(blocker.steps[0], {"asserts": [fine, fine]})]},
	] {
		allowed(object.union(blocker, place))
	}
}

test_a_list_that_is_no_list_is_refused if {
	every odd in [null, {}, "", 0, {"a": blocker.prechecks[0]}] {
		every place in [
			{"prechecks": odd},
			{"stop_if": odd},
			{"blast_radius": odd},
			{"verification": {"collateral": odd}},
			{"steps": odd},
		] {
			refused(object.union(blocker, place))
		}
	}
}
