# Why a change of one object, setting or slot was refused. Nothing here allows anything.
package countersign

denials contains denial(
	"forbidden_statement",
	sprintf("`%s` is not allowed in this form", [action.sql.kind]),
	step.id,
	action.sql.text,
	forms[action.sql.kind],
) if {
	some [step, action] in actions
	forms[action.sql.kind]
	not form_class(action.sql)
}

denials contains denial(
	"wrong_class",
	"the statement cannot be a step of this class",
	step.id,
	action.class,
	class_of(action.sql),
) if {
	some [step, action] in actions
	action.class != class_of(action.sql)
}

denials contains denial(
	"outside_scope",
	sprintf("the evidence does not name `%s` in schema `%s`, both in one row", [object.name, object.schema]),
	step.id,
	action.sql.text,
	"an object that the evidence names with its schema",
) if {
	some [step, action] in actions
	some object in action.sql.utility.objects
	not object_in_scope(object, action.sql.utility.object_type)
}

denials contains denial(
	"index_not_proven_invalid",
	"no precheck proves that the index is invalid",
	step.id,
	action.sql.text,
	concat(" ", [
		"a precheck as SELECT count(*) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid",
		"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
		"WHERE n.nspname = '…' AND c.relname = '…' AND NOT i.indisvalid, expected to equal 1",
	]),
) if {
	some [step, action] in actions
	action.sql.kind == "drop"
	form_class(action.sql)
	not maintenance_bounds_proven(action)
}

denials contains denial(
	"lock_timeout",
	"the statement may wait too long for its lock, and others would queue behind it",
	step.id,
	sprintf("lock_timeout_ms %d", [action.lock_timeout_ms]),
	sprintf("1 to %d", [limits.storage_lock_timeout_ms]),
) if {
	some [step, action] in actions
	form_class(action.sql) == "transactional"
	not storage_lock_timeout_proven(action)
}

denials contains denial(
	"forbidden_setting",
	"the setting is neither set to one value nor reset",
	step.id,
	action.sql.text,
	"SET setting TO value, or RESET setting",
) if {
	some [step, action] in actions
	action.sql.kind == "alter_role_set"
	not setting_form(action.sql)
}

denials contains denial(
	"outside_scope",
	sprintf("the setting is for the database `%s`", [action.sql.utility.database]),
	step.id,
	action.sql.text,
	sprintf("every database, or `%s`", [input.plan.target.database]),
) if {
	some [step, action] in actions
	action.sql.kind == "alter_role_set"
	not setting_database_proven(action.sql.utility)
}

denials contains denial(
	"setting_out_of_bounds",
	sprintf("`%s` is too small, too large, or no whole number", [setting]),
	step.id,
	step.action.sql.text,
	sprintf("%d to %d %s", [role_settings[setting].low, role_settings[setting].high, role_settings[setting].unit]),
) if {
	some step in input.steps
	setting_form(step.action.sql)
	some setting in step.action.sql.settings
	not setting_bounded(step.action.sql.utility)
}

denials contains denial(
	"unguarded_slot",
	"the guard does not name the very slot that is dropped, or does not ask that nobody uses it",
	step.id,
	action.sql.text,
	concat(" ", [
		"SELECT pg_catalog.pg_drop_replication_slot('…') FROM pg_catalog.pg_replication_slots s",
		"WHERE s.slot_name = '…' AND NOT s.active, one row, non_transactional",
	]),
) if {
	some [step, action] in slot_actions
	not slot_guarded(action)
}

denials contains denial(
	"outside_scope",
	"the evidence does not name the slot",
	step.id,
	action.sql.text,
	"a slot that the evidence names as slot_name",
) if {
	some [step, action] in slot_actions
	not slot_in_scope(action)
}

denials contains denial(
	"understated_risk",
	"a slot that is dropped is lost for good",
	step.id,
	sprintf("risk %s, irreversible %v", [input.plan.risk, step.irreversible]),
	"risk high, irreversible true",
) if {
	some [step, _] in slot_actions
	not slot_risk_proven(step)
}

slot_actions contains [step, action] if {
	some [step, action] in actions
	some name in action.sql.functions
	name in slot_functions
}

# What would be allowed, by the kind of statement.
forms := {
	"alter_table": "ALTER TABLE schema.table SET (autovacuum_… = number) or RESET (autovacuum_…)",
	"analyze": "ANALYZE schema.table",
	"drop": "DROP INDEX CONCURRENTLY schema.index",
	"reindex": "REINDEX INDEX CONCURRENTLY schema.index",
	"vacuum": "VACUUM (ANALYZE) schema.table, or VACUUM (FREEZE, INDEX_CLEANUP off, TRUNCATE off) schema.table",
}

class_of(sql) := form_class(sql)

class_of(sql) := "transactional" if sql.kind in {"alter_role", "alter_role_set"}
