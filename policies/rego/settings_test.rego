# A setting of a role is set within bounds, or reset; and it goes back to whatever it was.
package countersign_test

role_set := data.fixtures["role-setting"]

setting_of(name, value) := statement_of(role_set, {
	"settings": [name],
	"utility": {"parameters": [{"name": name, "value": value}]},
})

reset := {"commands": ["reset"], "parameters": []}

test_values_within_the_bounds_are_allowed if {
	every case in [
		["work_mem", "64"],
		["work_mem", "64kB"],
		["work_mem", "1024MB"],
		["work_mem", "1GB"],
		["temp_file_limit", "1MB"],
		["temp_file_limit", "1TB"],
		["statement_timeout", "1s"],
		["statement_timeout", "1000"],
		["statement_timeout", "1d"],
		["lock_timeout", "100ms"],
		["transaction_timeout", "24h"],
		["idle_session_timeout", "10min"],
		["idle_in_transaction_session_timeout", "86400000"],
	] {
		allowed(setting_of(case[0], case[1]))
	}
}

test_values_outside_the_bounds_are_refused_by_name if {
	every case in [
		["work_mem", "63"],
		["work_mem", "1048577"],
		["work_mem", "2GB"],
		["work_mem", "-1"],
		["work_mem", "64mb"],
		["work_mem", "64 MB"],
		["work_mem", "1.5GB"],
		["work_mem", "0100"],
		["work_mem", "0x100"],
		["work_mem", "1e5"],
		["work_mem", "10s"],
		["work_mem", ""],
		["work_mem", "?"],
		["temp_file_limit", "-1"],
		["temp_file_limit", "1025GB"],
		["statement_timeout", "0"],
		["statement_timeout", "999"],
		["statement_timeout", "2d"],
		["statement_timeout", "64MB"],
		["lock_timeout", "99"],
		["lock_timeout", "9999999999999"],
	] {
		refused_with(setting_of(case[0], case[1]), "setting_out_of_bounds")
	}
}

test_only_settings_that_bound_a_session_are_set_or_reset if {
	every name in ["search_path", "all", "role", "session_preload_libraries"] {
		refused_with(setting_of(name, "1000"), "forbidden_setting")
		refused_with(statement_of(role_set, {"settings": [name], "utility": reset}), "forbidden_setting")
	}
	allowed(statement_of(role_set, {"utility": reset}))
	refused(statement_of(role_set, {"settings": []}))
	refused(statement_of(role_set, {"settings": [], "utility": reset}))
	refused(statement_of(role_set, {"settings": ["lock_timeout", "work_mem"], "utility": reset}))
}

test_a_setting_is_set_to_one_value_or_reset if {
	value := {"name": "work_mem", "value": "64MB"}
	every change in [
		{"commands": ["set_default"], "parameters": []},
		{"commands": ["set_current"], "parameters": []},
		{"commands": ["reset_all"], "parameters": []},
		{"commands": []},
		{"commands": ["reset"]},
		{"commands": ["set_value"], "parameters": []},
		{"parameters": [value, value]},
		{"parameters": [object.union(value, {"name": "statement_timeout"})]},
		{"parameters": [object.union(value, {"value": null})]},
		{"parameters": [object.union(value, {"value": 64})]},
	] {
		refused_with(statement_of(role_set, {"utility": change}), "forbidden_setting")
		refused_with(way_back_of(role_set, {"sql": {"utility": object.union(role_set.steps[0].action.sql.utility, change)}}), "forbidden_setting")
	}
}

test_a_setting_is_for_every_database_or_for_the_target_alone if {
	allowed(statement_of(role_set, {"utility": {"database": "orders"}}))
	refused_with(statement_of(role_set, {"utility": {"database": "payments"}}), "outside_scope")
}

test_a_setting_says_nothing_else if {
	every change in [
		{"kind": "alter_role"},
		{"options": ["connectionlimit"]},
		{"utility": {"cascade": true}},
		{"utility": {"if_exists": true}},
		{"utility": {"columns": ["a"]}},
		{"utility": {"object_type": "table"}},
		{"utility": {"objects": [{"schema": "public", "name": "orders"}]}},
		{"from": ["pg_catalog.pg_roles"]},
	] {
		refused(statement_of(role_set, change))
	}
	refused_with(statement_of(role_set, {"roles": ["postgres"]}), "outside_scope")
	refused_with(step_of(role_set, {"action": {"class": "non_transactional"}}), "wrong_class")
	refused_with(step_of(saturation, {"action": {"class": "non_transactional"}}), "wrong_class")
}

test_a_setting_goes_back_to_what_it_was_whatever_it_was if {
	every value in ["-1", "8GB", "on"] {
		utility := object.union(role_set.steps[0].action.sql.utility, {"parameters": [{"name": "work_mem", "value": value}]})
		allowed(way_back_of(role_set, {"sql": {"utility": utility}}))
	}
	refused_with(way_back_of(role_set, {"sql": {"settings": ["search_path"]}}), "forbidden_setting")
}
