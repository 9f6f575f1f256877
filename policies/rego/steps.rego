# One step: its effect, what bounds it, what proves it, and the way back.
package countersign

step_proven(step) if {
	named(step.id)
	within(step.max_wait_s, 0, limits.state_wait_s)
	bounds_proven(step.action)
	[step.id, step] in steps_with_effect
	asserts_proven(step.action, step.asserts)
	way_back_proven(step)
	rollback_statements_proven(step.rollback)
}

# A statement is proven by the database's state. What a call did its service says, and the database may say more.
asserts_proven(action, asserts) if {
	all_checks_proven(asserts)
	count(asserts) >= fewest_asserts(action)
}

fewest_asserts(action) := 0 if action.kind in remote_kinds

else := 1

bounds_proven(action) if {
	statement_timeout_proven(action)
	lock_timeout_proven(action)
}

statement_timeout_proven(action) if within(action.timeout_s, 1, limits.statement_timeout_s)

lock_timeout_proven(action) if {
	action.remote == no_call
	within(action.lock_timeout_ms, 1, limits.lock_timeout_ms)
}

lock_timeout_proven(action) if {
	action.kind in remote_kinds
	action.lock_timeout_ms == 0
}

# What a step may do: signal sessions, change a role, maintain an object, end a replication slot, or call a service.
steps_with_effect contains [step.id, step] if {
	some step in input.steps
	effect_proven(step)
}

effect_proven(step) if signal_proven(step.action)

effect_proven(step) if role_change_proven(step.action)

effect_proven(step) if role_setting_proven(step.action)

effect_proven(step) if maintenance_proven(step.action)

effect_proven(step) if slot_drop_proven(step)

effect_proven(step) if remote_proven(step.action)

# A way back may change a role or a table's storage parameters back. A setting goes back to what it was, whatever it was.
way_back_effect_proven(action) if role_change_proven(action)

way_back_effect_proven(action) if role_setting_form(action)

way_back_effect_proven(action) if remote_proven(action)

way_back_effect_proven(action) if {
	maintenance_proven(action)
	action.sql.kind == "alter_table"
}

rollback_statements_proven(rollback) if {
	is_array(rollback.actions)
	every action in rollback.actions {
		bounds_proven(action)
		way_back_effect_proven(action)
	}
	all_checks_proven(rollback.asserts)
}

# What is lost for good cannot have an exact way back, and a step without a way back says why.
way_back_proven(step) if {
	step.irreversible == false
	step.rollback.class == "exact"
	one_way_back(step.rollback)
}

way_back_proven(step) if {
	is_boolean(step.irreversible)
	step.rollback.class == "compensating"
	one_way_back(step.rollback)
}

one_way_back(rollback) if {
	rollback.reason == ""
	count(rollback.actions) == 1
	every action in rollback.actions {
		count(rollback.asserts) >= fewest_asserts(action)
	}
}

way_back_proven(step) if {
	is_boolean(step.irreversible)
	step.rollback.class == "none"
	named(step.rollback.reason)
	step.rollback.actions == []
	step.rollback.asserts == []
}
