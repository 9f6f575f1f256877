# Why a statement was refused, and where it stands. Nothing here allows anything.
package countersign

denials contains denial(
	"opaque_statement",
	sprintf("what it does cannot be read from it: %s", [reason]),
	statement.step,
	statement.sql.text,
	"statements whose whole effect is in their text",
) if {
	some statement in statements
	some reason in statement.sql.opaque
}

denials contains denial(
	"forbidden_statement",
	sprintf("`%s` may not stand in a %s", [kind, statement.use]),
	statement.step,
	statement.sql.text,
	concat(", ", kinds[statement.use]),
) if {
	some statement in statements
	some kind in array.concat([statement.sql.kind], statement.sql.nested_kinds)
	not kind in kinds[statement.use]
}

denials contains denial(
	"forbidden_statement",
	sprintf("`%s` is written or locked", [relation]),
	statement.step,
	statement.sql.text,
	"statements that write no relation",
) if {
	some statement in statements
	some relation in statement.sql.relations_written
	not form_class(statement.sql)
}

denials contains denial(
	"forbidden_statement",
	"rows are locked",
	statement.step,
	statement.sql.text,
	"SELECT without FOR UPDATE or FOR SHARE",
) if {
	some statement in statements
	statement.sql.row_locks == true
}

denials contains denial(
	"forbidden_function",
	sprintf("`%s` is not known to change nothing", [name]),
	statement.step,
	statement.sql.text,
	concat(", ", reading_functions),
) if {
	some statement in statements
	some name in statement.sql.functions
	not name in functions_of[statement.use]
}

denials contains denial(
	"forbidden_relation",
	sprintf("`%s` is not in pg_catalog, or is not qualified with it", [name]),
	statement.step,
	statement.sql.text,
	"relations written as pg_catalog.…",
) if {
	some statement in statements
	some name in statement.sql.relations_read
	not startswith(name, "pg_catalog.")
}

denials contains denial(
	"forbidden_type",
	sprintf("a cast to `%s` may run code of a user", [name]),
	statement.step,
	statement.sql.text,
	concat(", ", plain_types),
) if {
	some statement in statements
	some name in statement.sql.types
	not name in type_names
}

denials contains denial(
	"unguarded_signal",
	"the guard does not name the very sessions that are signalled",
	step.id,
	action.sql.text,
	concat(" ", [
		"countersign.terminate_backend(a.pid, a.backend_start) FROM pg_catalog.pg_stat_activity a WHERE a.pid = … AND a.backend_start = …, one row;",
		"or a group by usename, application_name, state and backend_start <= … with a LIMIT that the rows keep to",
	]),
) if {
	some [step, action] in actions
	some name in action.sql.functions
	name in signal_functions
	not signal_proven(action)
}

denials contains denial(
	"no_effect",
	"the statement only reads: it is no step",
	step.id,
	step.action.sql.text,
	"a signal to sessions, a change of a role, maintenance of an object, or the end of a replication slot",
) if {
	some step in input.steps
	step.action.sql.kind == "select"
	effects := [name | some name in step.action.sql.functions; name in signal_functions | slot_functions]
	count(effects) == 0
}

denials contains denial(
	"outside_scope",
	sprintf("the evidence does not name the role `%s`", [role]),
	step.id,
	action.sql.text,
	concat(", ", evidence_roles),
) if {
	some [step, action] in actions
	some role in action.sql.roles
	not role_in_scope(role)
}

denials contains denial(
	"forbidden_option",
	sprintf("`%s` of a role may not be changed", [option]),
	step.id,
	action.sql.text,
	"CONNECTION LIMIT",
) if {
	some [step, action] in actions
	action.sql.kind == "alter_role"
	some option in action.sql.options
	option != "connectionlimit"
}

denials contains denial(
	"forbidden_setting",
	sprintf("the setting `%s` may not be changed", [setting]),
	step.id,
	action.sql.text,
	concat(", ", object.keys(role_settings)),
) if {
	some [step, action] in actions
	some setting in action.sql.settings
	not setting in object.keys(role_settings)
}

# --- where each statement stands, and what may stand there

kinds := {
	"step": {"alter_role", "alter_role_set", "alter_table", "analyze", "drop", "reindex", "select", "vacuum"},
	"rollback": {"alter_role", "alter_role_set", "alter_table"},
	"check": {"select"},
}

functions_of := {
	"step": signalling_names | slot_functions,
	"rollback": set(),
	"check": reading_names,
}

actions contains [step, step.action] if some step in input.steps

actions contains [step, action] if {
	some step in input.steps
	some action in step.rollback.actions
}

# The statements that are not proven fine, which as a rule are few.
statements contains {"use": "step", "step": step.id, "sql": step.action.sql} if {
	some step in input.steps
	not step.action.kind in remote_kinds
	not [step.id, step] in steps_with_effect
}

statements contains {"use": "rollback", "step": step.id, "sql": action.sql} if {
	some step in input.steps
	some action in step.rollback.actions
	not action.kind in remote_kinds
	not way_back_effect_proven(action)
}

statements contains {"use": "check", "step": step.id, "sql": check.sql} if {
	some step in input.steps
	some check in array.concat(step.asserts, step.rollback.asserts)
	not reading_proven(check.sql)
}

statements contains {"use": "check", "step": check.id, "sql": check.sql} if {
	proven := readings
	some list in [input.prechecks, input.stop_if, input.blast_radius, input.verification.collateral]
	some check in list
	not [check.sql.text, check.sql] in proven
}

statements contains {"use": "check", "step": "verification", "sql": input.verification.sql} if {
	not reading_proven(input.verification.sql)
}
