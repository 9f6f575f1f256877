# Maintenance of one object: each form is allowed, and with anything else in it, around it or missing it is refused.
package countersign_test

vacuum := data.fixtures["vacuum-analyze"]

freeze := data.fixtures["vacuum-freeze"]

analyze := data.fixtures.analyze

reindex := data.fixtures["reindex-index"]

drop := data.fixtures["drop-invalid-index"]

storage := data.fixtures["autovacuum-parameter"]

maintained := [vacuum, freeze, analyze, reindex, drop, storage]

# Wrong in every form.
form_cases := [
	{"kind": "truncate"},
	{"concurrently": null},
	{"utility": {"object_type": "schema"}},
	{"utility": {"objects": []}},
	{"utility": {"objects": [{"schema": "public", "name": "orders"}, {"schema": "public", "name": "orders"}]}},
	{"utility": {"commands": ["drop_column"]}},
	{"utility": {"parameters": [{"name": "full", "value": ""}]}},
	{"utility": {"parameters": null}},
	{"utility": {"columns": ["total"]}},
	{"utility": {"cascade": true}},
	{"utility": {"if_exists": true}},
	{"utility": {"database": "orders"}},
	{"nested_kinds": ["select"]},
	{"functions": ["now"]},
	{"relations_read": ["pg_catalog.pg_class"]},
	{"types": ["text"]},
	{"roles": ["app"]},
	{"settings": ["work_mem"]},
	{"row_locks": true},
	{"opaque": ["do block"]},
	{"from": ["pg_catalog.pg_class"]},
	{"conditions": ["x"]},
	{"output": "count(*)"},
	{"text": ""},
]

test_a_form_with_anything_else_in_it_is_refused_by_name if {
	every plan in maintained {
		every change in form_cases {
			refused_with(statement_of(plan, change), "forbidden_statement")
		}
	}
}

test_a_form_with_an_odd_list_is_refused if {
	every plan in maintained {
		every odd in [null, {}, "public.orders", [7], [[]]] {
			refused(statement_of(plan, {"relations_written": odd}))
			refused(statement_of(plan, {"options": odd}))
		}
	}
}

test_only_the_options_that_are_known_are_allowed if {
	every case in [
		[vacuum, []],
		[vacuum, [{"name": "analyze", "value": ""}, {"name": "full", "value": "off"}]],
		[vacuum, [{"name": "freeze", "value": ""}]],
		[freeze, [{"name": "freeze", "value": ""}, {"name": "index_cleanup", "value": "on"}, {"name": "truncate", "value": "off"}]],
		[analyze, [{"name": "verbose", "value": ""}]],
		[reindex, []],
		[reindex, [{"name": "concurrently", "value": ""}, {"name": "tablespace", "value": "fast"}]],
		[drop, [{"name": "concurrently", "value": ""}]],
	] {
		refused_with(statement_of(case[0], {"utility": {"parameters": case[1]}}), "forbidden_statement")
	}
}

test_an_index_is_only_touched_concurrently_and_nothing_else_so if {
	every plan in [reindex, drop] {
		refused_with(statement_of(plan, {"concurrently": false}), "forbidden_statement")
	}
	every plan in [vacuum, freeze, analyze, storage] {
		refused_with(statement_of(plan, {"concurrently": true}), "forbidden_statement")
	}
}

test_the_kind_of_object_is_the_one_of_the_form if {
	every plan in [reindex, drop, storage] {
		every object_type in ["", "database", "matview", "table", "index"] {
			refused_unless(plan.steps[0].action.sql.utility.object_type == object_type, {"utility": {"object_type": object_type}}, plan)
		}
	}
}

refused_unless(same, change, plan) if {
	same
	allowed(statement_of(plan, change))
}

refused_unless(same, change, plan) if {
	not same
	refused_with(statement_of(plan, change), "forbidden_statement")
}

test_each_form_has_one_class if {
	every plan in [vacuum, freeze, analyze, reindex, drop] {
		refused_with(step_of(plan, {"action": {"class": "transactional"}}), "wrong_class")
	}
	refused_with(step_of(storage, {"action": {"class": "non_transactional"}}), "wrong_class")
}

test_maintenance_is_sql_without_rows_or_calls if {
	every plan in maintained {
		every change in [
			{"kind": "shell"},
			{"rows": {"counted": true}},
			{"rows": {"at_most": 1}},
			{"calls": blocker.steps[0].action.calls},
			{"calls": null},
		] {
			refused(step_of(plan, {"action": change}))
		}
	}
}

# --- scope

replaced(rows, at, change) := [object.union(row, part) |
	some number, row in rows
	part := {true: change, false: {}}[number == at]
]

evidence_of(plan, evidence) := object.union(plan, {"plan": {"evidence": evidence}})

test_an_object_is_named_by_one_row_of_the_evidence if {
	every plan in maintained {
		allowed(evidence_of(plan, naming(plan)))
		every change in [
			[0, {"row": "E1/rows/1"}],
			[0, {"text": "shop"}],
			[0, {"field": "usename"}],
			[1, {"row": "E2/rows/0"}],
			[1, {"text": "payments"}],
			[1, {"field": "usename"}],
			[1, {"field": other_field[name_field(plan)]}],
		] {
			refused_with(evidence_of(plan, replaced(naming(plan), change[0], change[1])), "outside_scope")
		}
	}
}

naming(plan) := [
	{"field": "schema", "text": "public", "row": "E1/rows/0"},
	{"field": name_field(plan), "text": plan.steps[0].action.sql.utility.objects[0].name, "row": "E1/rows/0"},
]

name_field(plan) := {true: "index", false: "table"}[plan.steps[0].action.sql.utility.object_type == "index"]

other_field := {"index": "table", "table": "index"}

test_an_object_without_a_schema_is_refused_whatever_the_evidence_says if {
	bare := statement_of(vacuum, {"utility": {"objects": [{"schema": "", "name": "orders"}]}})
	evidence := [{"field": "schema", "text": "", "row": "E1"}, {"field": "table", "text": "orders", "row": "E1"}]
	refused_with(evidence_of(bare, evidence), "forbidden_statement")
}

test_the_names_that_the_catalog_uses_are_known_too if {
	allowed(evidence_of(vacuum, [
		{"field": "schemaname", "text": "public", "row": "E1"},
		{"field": "relname", "text": "orders", "row": "E1"},
	]))
	allowed(evidence_of(reindex, [
		{"field": "schemaname", "text": "public", "row": "E1"},
		{"field": "indexrelname", "text": "orders_total", "row": "E1"},
	]))
}

# --- an index that is proven invalid

precheck_of(change) := object.union(drop, {"prechecks": [object.union(drop.prechecks[0], change)]})

test_an_index_is_dropped_only_if_a_precheck_proves_it_invalid if {
	conditions := drop.prechecks[0].sql.conditions
	every condition in conditions {
		without := [other | some other in conditions; other != condition]
		refused_with(precheck_of({"sql": {"conditions": without}}), "index_not_proven_invalid")
	}
	every change in [
		{"sql": {"from": array.concat(drop.prechecks[0].sql.from, ["?"])}},
		{"sql": {"output": ""}},
		{"expect": {"value": "0"}},
		{"expect": {"kind": "at_most"}},
	] {
		refused_with(precheck_of(change), "index_not_proven_invalid")
	}
	refused_with(object.union(drop, {"prechecks": queue.prechecks}), "index_not_proven_invalid")
	other := statement_of(drop, {"utility": {"objects": [{"schema": "public", "name": "other"}]}})
	refused_with(other, "index_not_proven_invalid")
}

test_a_precheck_may_also_ask_whether_it_is_invalid if {
	conditions := [condition | some condition in drop.prechecks[0].sql.conditions; not startswith(condition, "NOT ")]
	asking := {"sql": {"conditions": conditions, "output": "NOT pg_catalog.pg_index.indisvalid"}}
	is_true := {"kind": "is_true", "value": ""}
	allowed(precheck_of(object.union(asking, {"expect": is_true})))
	refused_with(precheck_of(asking), "index_not_proven_invalid")
	refused_with(precheck_of({"expect": is_true}), "index_not_proven_invalid")
}

test_only_an_index_is_asked_for_a_proof if {
	table := object.union(drop, {"prechecks": queue.prechecks, "steps": statement_of(drop, {"utility": {"object_type": "table"}}).steps})
	refused_with(table, "forbidden_statement")
	not "index_not_proven_invalid" in codes(table)
}

test_one_precheck_among_others_is_enough if {
	allowed(object.union(drop, {"prechecks": array.concat(queue.prechecks, drop.prechecks)}))
}

test_a_quote_in_a_name_is_no_way_out if {
	object := {"schema": "public", "name": "o'x"}
	evidence := [{"field": "schema", "text": "public", "row": "E1"}, {"field": "index", "text": "o'x", "row": "E1"}]
	named := evidence_of(statement_of(drop, {"utility": {"objects": [object]}}), evidence)
	conditions := [replace(condition, "'orders_total'", "'o''x'") | some condition in drop.prechecks[0].sql.conditions]
	check := object.union(drop.prechecks[0], {"sql": {"conditions": conditions}})
	allowed(object.union(named, {"prechecks": [check]}))
	loose := [replace(condition, "'orders_total'", "'o'x'") | some condition in drop.prechecks[0].sql.conditions]
	refused(object.union(named, {"prechecks": [object.union(check, {"sql": {"conditions": loose}})]}))
}

# --- storage parameters

test_only_parameters_of_autovacuum_are_set if {
	every parameter in [
		{"name": "autovacuum_vacuum_threshold", "value": "50"},
		{"name": "autovacuum_freeze_max_age", "value": "-1"},
		{"name": "autovacuum_enabled", "value": "true"},
	] {
		allowed(statement_of(storage, {"utility": {"parameters": [parameter]}}))
	}
	every parameter in [
		{"name": "fillfactor", "value": "70"},
		{"name": "toast.autovacuum_vacuum_threshold", "value": "50"},
		{"name": "autovacuum_vacuum_threshold", "value": ""},
		{"name": "autovacuum_vacuum_threshold", "value": "?"},
		{"name": "autovacuum_enabled", "value": "false"},
		{"name": "autovacuum_enabled", "value": "0"},
		{"name": "autovacuum_analyze_threshold", "value": "true"},
	] {
		refused_with(statement_of(storage, {"utility": {"parameters": [parameter]}}), "forbidden_statement")
	}
	every none in [[], {}, null] {
		refused_with(statement_of(storage, {"utility": {"parameters": none}}), "forbidden_statement")
	}
}

test_parameters_of_autovacuum_are_reset if {
	reset := {"commands": ["reset_rel_options"], "parameters": [{"name": "autovacuum_enabled", "value": ""}]}
	allowed(statement_of(storage, {"utility": reset}))
	refused_with(statement_of(storage, {"utility": object.union(reset, {"commands": ["set_rel_options"]})}), "forbidden_statement")
	fillfactor := [{"name": "fillfactor", "value": ""}]
	refused_with(statement_of(storage, {"utility": object.union(reset, {"parameters": fillfactor})}), "forbidden_statement")
	valued := [{"name": "autovacuum_enabled", "value": "true"}]
	refused_with(statement_of(storage, {"utility": object.union(reset, {"parameters": valued})}), "forbidden_statement")
}

test_a_table_is_locked_for_its_parameters_for_two_seconds_at_most if {
	allowed(step_of(storage, {"action": {"lock_timeout_ms": 2000}}))
	refused_with(step_of(storage, {"action": {"lock_timeout_ms": 2001}}), "lock_timeout")
	refused_with(way_back_of(storage, {"lock_timeout_ms": 2001}), "lock_timeout")
	allowed(step_of(reindex, {"action": {"lock_timeout_ms": 2001}}))
}

test_no_way_back_maintains_anything_but_storage_parameters if {
	every plan in [vacuum, freeze, analyze, reindex, drop] {
		action := plan.steps[0].action
		moved := evidence_of(way_back_of(storage, action), array.concat(plan.plan.evidence, storage.plan.evidence))
		refused_with(moved, "forbidden_statement")
		refused(object.union(moved, {"prechecks": drop.prechecks}))
	}
}
