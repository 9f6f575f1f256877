# Each thing that can be wrong with a statement, alone, is refused by its own name, in a step and in a check.
package countersign_test

# Wrong wherever it stands.
statement_cases := [
	["forbidden_statement", {"kind": "drop"}],
	["forbidden_statement", {"kind": "truncate"}],
	["forbidden_statement", {"kind": "delete"}],
	["forbidden_statement", {"kind": "update"}],
	["forbidden_statement", {"kind": "insert"}],
	["forbidden_statement", {"kind": "grant"}],
	["forbidden_statement", {"kind": "grant_role"}],
	["forbidden_statement", {"kind": "do"}],
	["forbidden_statement", {"kind": "copy"}],
	["forbidden_statement", {"kind": "create_function"}],
	["forbidden_statement", {"kind": "explain"}],
	["forbidden_statement", {"kind": "kind_of_the_future"}],
	["forbidden_statement", {"nested_kinds": ["delete"]}],
	["forbidden_statement", {"nested_kinds": ["select", "create_table_as"]}],
	["forbidden_statement", {"relations_written": ["orders"]}],
	["forbidden_statement", {"row_locks": true}],
	["opaque_statement", {"opaque": ["do block"]}],
	["forbidden_type", {"types": ["evil.type"]}],
]

test_each_fault_of_a_statement_is_refused_by_name_wherever_it_stands if {
	every case in statement_cases {
		refused_with(statement_of(blocker, case[1]), case[0])
		refused_with(statement_of(saturation, case[1]), case[0])
		refused_with(way_back_of(saturation, {"sql": case[1]}), case[0])
		refused_with(check_of(case[1]), case[0])
	}
}

test_each_fault_of_a_reading_statement_is_refused_by_name if {
	every case in [
		["forbidden_function", {"functions": ["pg_catalog.pg_reload_conf"]}],
		["forbidden_function", {"functions": ["evil.count"]}],
		["forbidden_relation", {"relations_read": ["orders"]}],
		["forbidden_relation", {"relations_read": ["public.orders"]}],
	] {
		refused_with(statement_of(blocker, case[1]), case[0])
		refused_with(check_of(case[1]), case[0])
	}
	refused_with(check_of({"functions": ["pg_catalog.pg_terminate_backend"]}), "forbidden_function")
}

test_what_is_odd_without_a_name_for_it_is_refused_too if {
	every change in [
		{"concurrently": true},
		{"concurrently": null},
		{"row_locks": null},
		{"text": ""},
		{"roles": ["app"]},
		{"settings": ["work_mem"]},
		{"options": ["analyze"]},
		{"nested_kinds": null},
		{"nested_kinds": {}},
		{"functions": null},
		{"functions": {}},
		{"functions": "count"},
		{"relations_read": {}},
		{"types": {}},
		{"relations_written": null},
		{"types": null},
		{"opaque": null},
		{"utility": {"objects": [{"schema": "public", "name": "orders"}]}},
		{"utility": null},
		{"from": null},
		{"from": {}},
		{"conditions": null},
		{"conditions": {}},
		{"output": null},
		{"output": []},
		{"text": []},
		{"from": [7]},
		{"from": [[]]},
		{"conditions": [null]},
		{"conditions": [{}]},
		{"relations_read": [7]},
		{"relations_read": ["pg_catalog"]},
		{"relations_read": ["pg_catalog/pg_roles"]},
		{"relations_read": ["pg_catalog.pg_roles", []]},
	] {
		refused(statement_of(blocker, change))
		refused(check_of(change))
	}
	every change in [
		{"nested_kinds": ["select"]},
		{"functions": ["now"]},
		{"relations_read": ["pg_catalog.pg_roles"]},
		{"utility": {"commands": ["reset"]}},
		{"from": ["pg_catalog.pg_roles"]},
		{"conditions": ["x"]},
		{"output": "count(*)"},
		{"text": ""},
		{"concurrently": true},
		{"types": null},
		{"types": {}},
	] {
		refused(statement_of(saturation, change))
	}
}

# What is wrong is told, and nothing of what is not.
test_a_statement_with_one_fault_is_refused_for_that_alone if {
	types := {"types": ["text", "pg_catalog.int4"]}
	codes(check_of(object.union(types, {"functions": ["pg_catalog.pg_reload_conf"]}))) == {"forbidden_function"}
	elsewhere := object.union(data.fixtures["vacuum-analyze"], {"plan": {"evidence": []}})
	codes(elsewhere) == {"outside_scope"}
}

test_a_check_of_odd_shape_is_refused if {
	every change in [
		{"id": null},
		{"id": []},
		{"id": " "},
		{"expect": {"kind": "at_best"}},
		{"expect": {"value": null}},
		{"expect": {"value": []}},
		{"sql": {"text": null}},
	] {
		refused(object.union(blocker, {"prechecks": [object.union(blocker.prechecks[0], change)]}))
	}
}

test_functions_and_types_that_only_compute_are_allowed_with_and_without_their_schema if {
	allowed(check_of({
		"functions": ["count", "pg_catalog.count", "pg_catalog.now"],
		"types": ["text", "pg_catalog.int4"],
		"nested_kinds": ["select"],
	}))
}

# --- signals

signal_cases := [
	{"action": {"class": "transactional"}},
	{"action": {"kind": "shell"}},
	{"action": {"calls": null}},
	{"action": {"calls": []}},
	{"action": {"calls": {"only": blocker.steps[0].action.calls[0]}}},
	{"action": {"calls": array.concat(blocker.steps[0].action.calls, blocker.steps[0].action.calls)}},
	{"action": {"rows": {"counted": false}}},
	{"action": {"rows": {"at_least": 0}}},
	{"action": {"rows": {"at_most": 2}}},
]

test_each_fault_of_a_signal_is_refused_by_name if {
	every change in signal_cases {
		refused_with(step_of(blocker, change), "unguarded_signal")
	}
}

call_cases := [
	{"in_root": false},
	{"clause": "where_clause"},
	{"relations": ["pg_stat_activity"]},
	{"relations": ["pg_catalog.pg_stat_activity", "pg_catalog.pg_stat_activity"]},
	{"relations": ["?"]},
	{"first_argument": ""},
	{"first_argument": "leader_pid"},
	{"second_argument": ""},
	{"second_argument": "xact_start"},
]

test_a_call_that_does_not_stand_well_is_refused_by_name if {
	every change in call_cases {
		refused_with(call_of(blocker, change), "unguarded_signal")
		refused_with(object.union(group, {"steps": call_of(group, change).steps}), "unguarded_signal")
	}
}

# Only the signal itself is left among the calls, so that each change hits it.
test_the_calls_that_the_changes_start_from_are_fine if {
	allowed(call_of(blocker, {}))
	allowed(call_of(group, {}))
}

test_a_call_of_odd_shape_is_refused if {
	every change in [
		{"function": null},
		{"first_argument": null},
		{"second_argument": null},
		{"constant": null},
		{"clause": null},
		{"in_root": null},
		{"relations": null},
		{"pinned_columns": null},
		{"pinned_columns": {}},
		{"pinned_columns": [7]},
		{"pinned_columns": [[]]},
		{"constant": {}},
		{"bounded_columns": null},
		{"limit": null},
		{"limit": "1"},
	] {
		odd := object.union({
			"function": "pg_catalog.clock_timestamp",
			"first_argument": "",
			"second_argument": "",
			"constant": "",
			"clause": "where_clause",
			"in_root": true,
			"relations": [],
			"pinned_columns": [],
			"bounded_columns": [],
			"limit": -1,
		}, change)
		refused(step_of(blocker, {"action": {"calls": array.concat(blocker.steps[0].action.calls, [odd])}}))
	}
}

test_one_session_is_guarded_by_pid_and_backend_start if {
	refused_with(call_of(blocker, {"pinned_columns": ["pid", "state"]}), "unguarded_signal")
	refused_with(call_of(blocker, {"pinned_columns": ["backend_start", "state"]}), "unguarded_signal")
	refused_with(call_of(blocker, {"pinned_columns": ["pid"], "bounded_columns": ["backend_start"]}), "unguarded_signal")
}

# The step of the saturation runbook that ends a group of sessions, alone.
group := object.union(saturation, {"steps": [saturation.steps[1]]})

group_cases := [
	{"pinned_columns": ["application_name", "state"]},
	{"pinned_columns": ["usename", "state"]},
	{"pinned_columns": ["usename", "application_name"]},
	{"bounded_columns": ["usename"]},
	{"limit": -1},
	{"limit": 0},
	{"limit": 501},
	{"limit": 499},
]

test_a_group_is_guarded_by_role_application_state_age_and_number if {
	every change in group_cases {
		refused_with(call_of(group, change), "unguarded_signal")
	}
	every rows in [{"at_least": 0}, {"at_most": 0}, {"at_most": 501}, {"counted": false}, {"at_least": "1"}] {
		refused_with(step_of(group, {"action": {"rows": rows}}), "unguarded_signal")
	}
}

test_a_step_that_signals_nobody_is_refused_as_that if {
	idle := statement_of(blocker, {"functions": ["pg_catalog.now"]})
	refused(idle)
	codes(idle) == {"no_effect"}
}

# --- roles

test_a_role_that_no_evidence_names_is_out_of_scope if {
	every role in ["postgres", "all", "public", "current_user", "session_user", "current_role"] {
		refused_with(statement_of(saturation, {"roles": [role]}), "outside_scope")
	}
	evidence := [
		{"field": "usename", "text": "all", "row": "E1"},
		{"field": "usename", "text": "public", "row": "E1"},
		{"field": "application_name", "text": "postgres", "row": "E1"},
	]
	every role in ["all", "public", "postgres"] {
		forged := object.union(saturation, {"plan": {"evidence": array.concat(saturation.plan.evidence, evidence)}})
		refused_with(statement_of(forged, {"roles": [role]}), "outside_scope")
	}
}

test_a_role_is_named_by_evidence_as_usename_or_rolname if {
	every field in ["usename", "rolname"] {
		plan := object.union(saturation, {
			"plan": {"evidence": [{"field": field, "text": "app", "row": "E1"}]},
			"steps": [saturation.steps[0]],
		})
		allowed(plan)
	}
}

test_only_the_connection_limit_and_bounding_settings_of_one_role_are_changed if {
	every option in ["superuser", "createrole", "password", "rolemembers"] {
		refused_with(statement_of(saturation, {"options": [option]}), "forbidden_option")
	}
	refused_with(statement_of(saturation, {"options": ["connectionlimit", "superuser"]}), "forbidden_option")
	refused(statement_of(saturation, {"options": []}))
	refused(statement_of(saturation, {"roles": []}))
	refused(statement_of(saturation, {"roles": ["app", "app"]}))
	refused(statement_of(saturation, {"roles": {"app"}}))
	refused_with(statement_of(saturation, {"settings": ["session_preload_libraries"]}), "forbidden_setting")
	refused(statement_of(saturation, {"settings": ["lock_timeout"]}))
	not "forbidden_setting" in codes(statement_of(saturation, {"settings": ["lock_timeout"]}))
}

test_a_change_of_a_role_is_transactional_sql_without_rows_or_calls if {
	every change in [
		{"kind": "shell"},
		{"class": "non_transactional"},
		{"rows": {"counted": true}},
		{"rows": {"at_most": 1}},
		{"calls": blocker.steps[0].action.calls},
		{"calls": null},
	] {
		refused(step_of(saturation, {"action": change}))
	}
}

# The first check, with a part of the facts of its statement replaced.
check_of(change) := object.union(blocker, {"prechecks": [object.union(blocker.prechecks[0], {"sql": change})]})

test_an_expectation_is_one_of_the_known_ones if {
	every expect in [{"kind": "is_true", "value": ""}, {"kind": "equals", "value": "1"}, {"kind": "at_least", "value": "1"}] {
		allowed(expecting(expect))
	}
	every expect in [{"kind": "is_odd"}, {"kind": null}, {"value": null}, {"value": 1}] {
		refused(expecting(expect))
	}
}

expecting(expect) := object.union(blocker, {"prechecks": [object.union(blocker.prechecks[0], {"expect": expect})]})

test_each_name_is_known_with_its_schema_and_without if {
	every names in [data.countersign.reading_names, data.countersign.type_names] {
		bare := {name | some name in names; not startswith(name, "pg_catalog.")}
		names == bare | {concat(".", ["pg_catalog", name]) | some name in bare}
	}
}
