# The end of a replication slot, whose consumer loses its place for good.
package countersign

slot_drop_proven(step) if {
	slot_risk_proven(step)
	slot_guarded(step.action)
	slot_in_scope(step.action)
}

slot_risk_proven(step) if {
	input.plan.risk == "high"
	step.irreversible == true
}

# One call for the one row that the guard lets through: of that name, and used by nobody at this moment.
slot_guarded(action) if {
	action.kind == "sql"
	action.class == "non_transactional"
	action.rows == {"counted": true, "at_least": 1, "at_most": 1}
	select_proven(action.sql, reading_names | slot_functions)
	calls_shaped(action)
	action.sql.from == ["pg_catalog.pg_replication_slots"]
	"NOT pg_catalog.pg_replication_slots.active" in action.sql.conditions
	drops := [call | some call in action.calls; call.function in slot_functions]
	count(drops) == 1
	every call in drops {
		call.in_root == true
		call.clause == "target_list"
		names_pinned_slot(call, action.sql)
	}
}

names_pinned_slot(call, sql) if slot_pinned(sql, call.constant)

names_pinned_slot(call, sql) if {
	call.first_argument == "slot_name"
	some condition in sql.conditions
	startswith(condition, "pg_catalog.pg_replication_slots.slot_name = '")
}

slot_in_scope(action) if {
	some evidence_text in input.plan.evidence
	evidence_text.field == "slot_name"
	slot_pinned(action.sql, evidence_text.text)
}

slot_pinned(sql, slot) if {
	concat("", ["pg_catalog.pg_replication_slots.slot_name = ", literal(slot)]) in sql.conditions
}
