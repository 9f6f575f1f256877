# Statements that maintain one object or change how it is kept: VACUUM, ANALYZE, REINDEX, DROP INDEX, and the storage
# parameters of autovacuum. A form is what the text alone says; scope and bounds come from the plan around it.
package countersign

maintenance_proven(action) if {
	action.kind == "sql"
	action.class == form_class(action.sql)
	action.rows == uncounted
	action.calls == []
	every object in action.sql.utility.objects {
		object_in_scope(object, action.sql.utility.object_type)
	}
	maintenance_bounds_proven(action)
}

maintenance_bounds_proven(action) if action.sql.kind in {"analyze", "reindex", "vacuum"}

maintenance_bounds_proven(action) if storage_lock_timeout_proven(action)

maintenance_bounds_proven(action) if {
	action.sql.kind == "drop"
	every object in action.sql.utility.objects {
		index_proven_invalid(object)
	}
}

# Others queue behind the lock, and the new parameters can wait.
storage_lock_timeout_proven(action) if {
	action.sql.kind == "alter_table"
	within(action.lock_timeout_ms, 1, limits.storage_lock_timeout_ms)
}

# --- forms, each with the class of step that it can be; what tells one from the others comes first

form_class(sql) := "non_transactional" if vacuum_form(sql)

form_class(sql) := "non_transactional" if index_form(sql)

form_class(sql) := "transactional" if storage_form(sql)

vacuum_form(sql) if {
	sql.utility.parameters in vacuum_parameters[sql.kind]
	sql.concurrently == false
	sql.utility.object_type == ""
	sql.utility.commands == []
	one_object(sql)
}

# Without CONCURRENTLY an index is locked against every query of its table for as long as it takes.
index_form(sql) if {
	sql.utility.parameters == index_parameters[sql.kind]
	sql.concurrently == true
	sql.utility.object_type == "index"
	sql.utility.commands == []
	one_object(sql)
}

storage_form(sql) if {
	sql.kind == "alter_table"
	one_object(sql)
	sql.concurrently == false
	sql.utility.object_type == "table"
	is_array(sql.utility.parameters)
	sql.utility.parameters != []
	every parameter in sql.utility.parameters {
		startswith(parameter.name, "autovacuum_")
		storage_value_proven(sql.utility.commands, parameter)
	}
}

storage_value_proven(commands, parameter) if {
	commands == ["reset_rel_options"]
	parameter.value == ""
}

storage_value_proven(commands, parameter) if {
	commands == ["set_rel_options"]
	parameter.name != "autovacuum_enabled"
	regex.match(`^-?[0-9]+(\.[0-9]+)?$`, parameter.value)
}

# It may be switched on again, never off.
storage_value_proven(commands, parameter) if {
	commands == ["set_rel_options"]
	parameter.name == "autovacuum_enabled"
	parameter.value == "true"
}

# One qualified object, and nothing else that the statement would do or depend on.
one_object(sql) if {
	named(sql.text)
	sql.opaque == []
	sql.row_locks == false
	sql.nested_kinds == []
	sql.functions == []
	sql.relations_read == []
	sql.types == []
	sql.roles == []
	sql.settings == []
	texts(sql.options)
	texts(sql.relations_written)
	no_rows(sql)
	count(sql.utility.objects) == 1
	every object in sql.utility.objects {
		object.schema != ""
	}
	object.filter(sql.utility, ["cascade", "columns", "database", "if_exists"]) == {
		"cascade": false,
		"columns": [],
		"database": "",
		"if_exists": false,
	}
}

no_rows(sql) if {
	sql.from == []
	sql.conditions == []
	sql.output == ""
}

# --- scope: schema and name stand in one row of the evidence

object_in_scope(object, object_type) if {
	some schema in input.plan.evidence
	schema.field in {"schema", "schemaname"}
	schema.text == object.schema
	some name in input.plan.evidence
	name.field in scope_fields[object_type]
	name.text == object.name
	name.row == schema.row
}

# --- a precheck that shows the very index to be invalid

index_proven_invalid(object) if {
	some check in input.prechecks
	check.sql.from == ["pg_catalog.pg_class", "pg_catalog.pg_index", "pg_catalog.pg_namespace"]
	every condition in [
		"pg_catalog.pg_class.oid = pg_catalog.pg_index.indexrelid",
		"pg_catalog.pg_class.relnamespace = pg_catalog.pg_namespace.oid",
		concat("", ["pg_catalog.pg_namespace.nspname = ", literal(object.schema)]),
		concat("", ["pg_catalog.pg_class.relname = ", literal(object.name)]),
	] {
		condition in check.sql.conditions
	}
	says_invalid(check)
}

says_invalid(check) if {
	"NOT pg_catalog.pg_index.indisvalid" in check.sql.conditions
	check.sql.output == "count(*)"
	check.expect == {"kind": "equals", "value": "1"}
}

says_invalid(check) if {
	check.sql.output == "NOT pg_catalog.pg_index.indisvalid"
	check.expect == {"kind": "is_true", "value": ""}
}

literal(text) := concat("", ["'", replace(text, "'", "''"), "'"])
