# Each thing that can be wrong with a step, alone, is refused by its own name.
package countersign_test

step_cases := [
	["statement_timeout", {"action": {"timeout_s": 0}}],
	["statement_timeout", {"action": {"timeout_s": 601}}],
	["statement_timeout", {"action": {"timeout_s": "10"}}],
	["lock_timeout", {"action": {"lock_timeout_ms": 0}}],
	["lock_timeout", {"action": {"lock_timeout_ms": 5001}}],
	["lock_timeout", {"action": {"lock_timeout_ms": null}}],
	["state_wait", {"max_wait_s": -1}],
	["state_wait", {"max_wait_s": 601}],
	["no_assertion", {"asserts": []}],
	["no_way_back", {"rollback": {"reason": " "}}],
	["no_way_back", {"rollback": {"class": "maybe"}}],
	["no_way_back", {"irreversible": "no"}],
	["no_way_back", {"rollback": {"actions": saturation.steps[0].rollback.actions}}],
	["no_way_back", {"rollback": {"asserts": saturation.steps[0].rollback.asserts}}],
]

test_each_fault_of_a_step_is_refused_by_name if {
	every case in step_cases {
		refused_with(step_of(blocker, case[1]), case[0])
	}
}

way_back_cases := [
	{"irreversible": true},
	{"irreversible": 0},
	{"rollback": {"reason": "there is one"}},
	{"rollback": {"actions": []}},
	{"rollback": {"actions": array.concat(saturation.steps[0].rollback.actions, saturation.steps[0].rollback.actions)}},
	{"rollback": {"asserts": []}},
]

test_each_fault_of_an_exact_way_back_is_refused_by_name if {
	every change in way_back_cases {
		refused_with(step_of(saturation, change), "no_way_back")
	}
}

test_each_fault_of_a_compensating_way_back_is_refused_by_name if {
	compensating := step_of(saturation, {"irreversible": true, "rollback": {"class": "compensating"}})
	allowed(compensating)
	every change in [change | some change in way_back_cases; change != {"irreversible": true}] {
		refused_with(step_of(compensating, change), "no_way_back")
	}
}

test_a_way_back_keeps_to_the_bounds_of_a_step if {
	refused_with(way_back_of(saturation, {"timeout_s": 0}), "statement_timeout")
	refused_with(way_back_of(saturation, {"lock_timeout_ms": 0}), "lock_timeout")
}

test_a_way_back_signals_nobody if {
	refused_with(way_back_of(saturation, blocker.steps[0].action), "forbidden_statement")
}

test_a_list_of_a_step_that_is_no_list_is_refused if {
	refused(step_of(blocker, {"asserts": {"only": blocker.steps[0].asserts[0]}}))
	every odd in [null, "", 0] {
		refused(step_of(blocker, {"asserts": odd}))
		refused(step_of(blocker, {"rollback": {"asserts": odd}}))
	}
	way_back := saturation.steps[0].rollback
	refused(step_of(saturation, {"rollback": {"asserts": {"only": way_back.asserts[0]}}}))
	refused(step_of(saturation, {"rollback": {"actions": {"only": way_back.actions[0]}}}))
}

test_an_unnamed_step_or_check_is_refused if {
	refused(step_of(blocker, {"id": ""}))
	refused(step_of(blocker, {"asserts": [object.union(blocker.steps[0].asserts[0], {"id": ""})]}))
}

test_every_step_must_be_fine if {
	bad := object.union(saturation.steps[1], {"action": {"lock_timeout_ms": 0}})
	denials := data.countersign.denials with input as object.union(saturation, {"steps": [saturation.steps[0], bad]})
	{denial.step | some denial in denials; denial.code == "lock_timeout"} == {"end_idle_sessions"}
	refused(object.union(saturation, {"steps": [saturation.steps[0], bad]}))
}
