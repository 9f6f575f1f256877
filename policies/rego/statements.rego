# One statement, by the facts that PostgreSQL's own parser gives of it.
package countersign

# Each check of a list has a name, is compared in a known way, and only reads. A plan has dozens of them: what a rule says of each
# is said by comparison where that can be, since a call takes many times as long.
all_checks_proven(list) if {
	is_array(list)
	comparisons := expectations
	proven := readings
	every check in list {
		[check.sql.text, check.sql] in proven
		check.expect.kind in comparisons
		check.expect.value >= ""
		check.expect.value < []
		check.id >= ""
		check.id < []
		trim_space(check.id) != ""
	}
}

# Reads the catalog and changes nothing. Each statement is looked at once, however often it is asked about; one that is missing
# from the set is not proven. It is found by its text first: comparing texts is cheap, comparing whole statements is not.
reading_proven(sql) if [sql.text, sql] in readings

readings contains [text, sql] if {
	names := reading_names
	some [text, sql] in statements_that_read
	select_proven(sql, names)
}

statements_that_read contains [check.sql.text, check.sql] if {
	some list in [input.prechecks, input.stop_if, input.blast_radius, input.verification.collateral]
	is_array(list)
	some check in list
}

statements_that_read contains [input.verification.sql.text, input.verification.sql]

statements_that_read contains [check.sql.text, check.sql] if {
	is_array(input.steps)
	some step in input.steps
	some list in [step.asserts, step.rollback.asserts]
	is_array(list)
	some check in list
}

# What must be the same in all of them is compared as one. Of the rest, what lies between `""` and `[]` is a text, as Rego has texts
# right before arrays, and what lies between `pg_catalog.` and `pg_catalog/`, as `/` follows `.`, is one that starts with the former.
select_proven(sql, functions) if {
	object.remove(sql, select_parts) == plain_select
	sql.nested_kinds in [[], ["select"]]
	is_array(sql.functions)
	every name in sql.functions {
		name in functions
	}
	is_array(sql.relations_read)
	every name in sql.relations_read {
		name >= "pg_catalog."
		name < "pg_catalog/"
	}
	is_array(sql.types)
	every name in sql.types {
		name in type_names
	}
	is_array(sql.from)
	every text in sql.from {
		text >= ""
		text < []
	}
	is_array(sql.conditions)
	every text in sql.conditions {
		text >= ""
		text < []
	}
	sql.output >= ""
	sql.output < []
	sql.text >= ""
	sql.text < []
	trim_space(sql.text) != ""
}

# Nothing is hidden from the parser, nothing is written, locked, or run by a type's code.
visible(sql) if {
	named(sql.text)
	sql.opaque == []
	sql.relations_written == []
	sql.row_locks == false
	sql.concurrently == false
	texts(sql.types)
	every name in sql.types {
		name in type_names
	}
}

texts(list) if {
	is_array(list)
	every text in list {
		text >= ""
		text < []
	}
}

# --- a signal to sessions, with its guard in the statement

signal_proven(action) if {
	action.kind == "sql"
	action.class == "non_transactional"
	select_proven(action.sql, signalling_names)
	calls_shaped(action)
	signals := [call | some call in action.calls; call.function in signal_functions]
	count(signals) == 1
	every call in signals {
		guarded(call, action.rows)
	}
}

calls_shaped(action) if {
	is_array(action.calls)
	functions := action.sql.functions
	every call in action.calls {
		call.function in functions
		call.in_root in [false, true]
		is_number(call.limit)
		words := [call.first_argument, call.second_argument, call.constant, call.clause]
		every list in [words, call.relations, call.pinned_columns, call.bounded_columns] {
			is_array(list)
			every text in list {
				text >= ""
				text < []
			}
		}
	}
}

guarded(call, rows) if {
	stands_well(call)
	guards_one_session(call)
	rows == {"counted": true, "at_least": 1, "at_most": 1}
}

guarded(call, rows) if {
	stands_well(call)
	guards_a_group(call)
	rows.counted == true
	within(rows.at_least, 1, rows.at_most)
	within(rows.at_most, 1, call.limit)
}

# One call for each row that the guard lets through, with that row's pid and start.
stands_well(call) if {
	call.in_root == true
	call.clause == "target_list"
	call.relations == ["pg_catalog.pg_stat_activity"]
	call.first_argument == "pid"
	call.second_argument == "backend_start"
}

# A pid alone is used again; with backend_start it names one session for ever.
guards_one_session(call) if {
	"pid" in call.pinned_columns
	"backend_start" in call.pinned_columns
}

# Sessions of one role and application, in one state, that were there when the evidence was taken, and not too many.
guards_a_group(call) if {
	"usename" in call.pinned_columns
	"application_name" in call.pinned_columns
	"state" in call.pinned_columns
	"backend_start" in call.bounded_columns
	within(call.limit, 1, limits.blast_radius.sessions)
}

# --- a change of a role

role_change_proven(action) if {
	action.sql.kind == "alter_role"
	role_action_proven(action)
	action.sql.options == ["connectionlimit"]
	action.sql.settings == []
	action.sql.utility == no_utility
}

role_action_proven(action) if {
	action.kind == "sql"
	action.class == "transactional"
	action.rows == uncounted
	action.calls == []
	no_rows(action.sql)
	action.sql.nested_kinds == []
	action.sql.functions == []
	action.sql.relations_read == []
	visible(action.sql)
	roles_in_scope(action.sql)
}

roles_in_scope(sql) if {
	is_array(sql.roles)
	count(sql.roles) == 1
	every role in sql.roles {
		role_in_scope(role)
	}
}

# A keyword that stands for a role, or for all of them, is no name that evidence could give.
role_in_scope(role) if {
	not role in {"all", "current_role", "current_user", "public", "session_user"}
	role in evidence_roles
}

evidence_roles contains evidence_text.text if {
	some evidence_text in input.plan.evidence
	evidence_text.field in {"rolname", "usename"}
}
