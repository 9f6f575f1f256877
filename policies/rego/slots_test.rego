# A replication slot is dropped by name, unused, by a plan that owns up to its risk.
package countersign_test

slot := data.fixtures["drop-replication-slot"]

test_the_risk_is_owned_up_to if {
	every risk in ["low", "medium"] {
		refused_with(object.union(slot, {"plan": {"risk": risk}}), "understated_risk")
	}
	refused_with(step_of(slot, {"irreversible": false}), "understated_risk")
}

test_each_fault_of_a_guard_is_refused_by_name if {
	every change in [
		{"kind": "shell"},
		{"class": "transactional"},
		{"rows": {"counted": false}},
		{"rows": {"at_least": 0}},
		{"rows": {"at_most": 2}},
		{"calls": null},
		{"calls": []},
		{"calls": array.concat(slot.steps[0].action.calls, slot.steps[0].action.calls)},
		{"sql": {"from": ["pg_catalog.pg_replication_slots", "pg_catalog.pg_replication_slots"]}},
		{"sql": {"from": []}},
		{"sql": {"conditions": ["pg_catalog.pg_replication_slots.slot_name = 'cdc'"]}},
		{"sql": {"conditions": ["NOT pg_catalog.pg_replication_slots.active"]}},
		{"sql": {"relations_written": ["orders"]}},
	] {
		refused_with(step_of(slot, {"action": change}), "unguarded_slot")
	}
	every change in [
		{"in_root": false},
		{"clause": "where_clause"},
		{"constant": "other"},
		{"constant": ""},
		{"constant": "", "first_argument": "plugin"},
	] {
		refused_with(slot_call(slot, change), "unguarded_slot")
	}
}

test_the_slot_may_be_named_by_its_column if {
	by_column := slot_call(slot, {"constant": "", "first_argument": "slot_name"})
	allowed(by_column)
	unpinned := statement_of(by_column, {"conditions": ["NOT pg_catalog.pg_replication_slots.active"]})
	refused_with(unpinned, "unguarded_slot")
}

test_a_slot_that_no_evidence_names_is_out_of_scope if {
	every evidence_text in [
		{"field": "slot_name", "text": "other", "row": "E1"},
		{"field": "usename", "text": "cdc", "row": "E1"},
	] {
		refused_with(evidence_of(slot, [evidence_text]), "outside_scope")
	}
}

test_a_slot_is_never_dropped_by_a_check_or_on_the_way_back if {
	check := object.union(slot.prechecks[0], {"sql": slot.steps[0].action.sql})
	refused_with(object.union(slot, {"prechecks": [check]}), "forbidden_function")
	refused_with(evidence_of(way_back_of(storage, slot.steps[0].action), slot.plan.evidence), "forbidden_function")
}

# The one call, with a part replaced.
slot_call(plan, change) := step_of(plan, {"action": {"calls": [object.union(call, change) |
	some call in plan.steps[0].action.calls
]}})
