# A call of a service is proven by its operation and each of its values; everything else about it is empty.
package countersign_test

grow := data.fixtures["rds-storage"]

variable := data.fixtures["terraform-variable"]

workflow := data.fixtures.workflow

calls := [grow, variable, workflow]

# The plan with some arguments of its call in place of those of the same name, or beside the others.
arguments_of(plan, changes) := step_of(plan, {"action": {"remote": {"arguments": array.concat(
	[argument | some argument in plan.steps[0].action.remote.arguments; not argument.name in {change.name | some change in changes}],
	changes,
)}}})

without(plan, name) := step_of(plan, {"action": {"remote": {"arguments": [argument |
	some argument in plan.steps[0].action.remote.arguments
	argument.name != name
]}}})

a_text(name, value) := {"name": name, "type": "text", "text": value, "number": -1}

a_number(name, value) := {"name": name, "type": "number", "text": format_int(value, 10), "number": value}

a_flag(name, value) := {"name": name, "type": "boolean", "text": value, "number": -1}

operation_of(plan, operation, arguments) := step_of(plan, {"action": {"remote": {"operation": operation, "arguments": arguments}}})

with_evidence(plan, texts) := evidence_of(plan, [{"field": field, "text": value, "row": "E1"} |
	some pair in texts
	field := pair[0]
	value := pair[1]
])

test_a_call_has_nothing_of_a_statement if {
	every plan in calls {
		every change in [
			{"kind": "shell"},
			{"kind": "sql"},
			{"class": "transactional"},
			{"rows": {"counted": true}},
			{"calls": blocker.steps[0].action.calls},
			{"lock_timeout_ms": 1000},
			{"lock_timeout_ms": null},
			{"timeout_s": 0},
			{"timeout_s": 601},
			{"sql": blocker.steps[0].action.sql},
			{"remote": {"operation": ""}},
			{"remote": {"operation": "DeleteDBInstance"}},
			{"remote": {"arguments": {}}},
			{"remote": {"arguments": []}},
		] {
			refused(step_of(plan, {"action": change}))
		}
	}
}

test_a_statement_has_nothing_of_a_call if {
	every change in [{"operation": "commit"}, {"arguments": [a_text("file", "x")]}] {
		refused_with(step_of(blocker, {"action": {"remote": change}}), "lock_timeout")
	}
}

test_a_call_may_be_proven_by_the_database_as_well if {
	every plan in calls {
		allowed(step_of(plan, {"asserts": blocker.steps[0].asserts}))
		refused(step_of(plan, {"asserts": null}))
	}
	allowed(step_of(variable, {"rollback": {"asserts": blocker.steps[0].asserts}}))
	refused_with(step_of(blocker, {"asserts": []}), "no_assertion")
}

test_each_argument_is_what_it_says_it_is if {
	every plan in calls {
		some argument in plan.steps[0].action.remote.arguments
		every change in [
			{"type": "other"},
			{"type": null},
			{"name": " "},
			{"name": null},
			{"number": 7},
			{"text": null},
		] {
			refused_with(arguments_of(without(plan, argument.name), [object.union(argument, change)]), "forbidden_call")
		}
		twice := array.concat(plan.steps[0].action.remote.arguments, [argument])
		refused_with(step_of(plan, {"action": {"remote": {"arguments": twice}}}), "forbidden_call")
	}
	every odd in [
		object.union(a_number("AllocatedStorage", 120), {"text": "121"}),
		object.union(a_number("AllocatedStorage", 120), {"name": " "}),
		object.union(a_flag("ApplyImmediately", "true"), {"text": "yes"}),
		object.union(a_flag("ApplyImmediately", "true"), {"number": 1}),
	] {
		refused_with(arguments_of(grow, [odd]), "forbidden_call")
	}
	every odd in [
		object.union(a_flag("inputs/drain", "true"), {"text": "yes"}),
		object.union(a_flag("inputs/drain", "true"), {"number": 1}),
		object.union(a_text("inputs/drain", "x"), {"number": 1}),
		object.union(a_text("inputs/drain", "x"), {"text": 1}),
		object.union(a_number("inputs/batch", 2), {"text": "3"}),
	] {
		refused_with(arguments_of(workflow, [odd]), "forbidden_call")
	}
	blank := {a_flag(" ", "true"), a_number(" ", 1), a_text(" ", "x")}
	every odd in blank {
		refused_with(arguments_of(workflow, [odd]), "forbidden_call")
	}
}

test_arguments_are_a_list if {
	every plan in calls {
		by_name := {argument.name: argument | some argument in plan.steps[0].action.remote.arguments}
		refused_with(step_of(plan, {"action": {"remote": {"arguments": by_name}}}), "forbidden_call")
	}
}

test_a_refused_call_is_not_called_a_statement if {
	codes(without(grow, "AllocatedStorage")) == {"forbidden_call"}
	codes(way_back_of(variable, {"remote": {"operation": "merge"}})) == {"forbidden_call"}
}

test_the_risk_of_a_call_is_owned_up_to if {
	every plan in calls {
		refused_with(object.union(plan, {"plan": {"risk": "low"}}), "understated_risk")
		allowed(object.union(plan, {"plan": {"risk": "high"}}))
	}
	refused_with(object.union(grow, {"plan": {"risk": "medium"}}), "understated_risk")
}

test_storage_grows_within_bounds if {
	every name, bounds in data.countersign.rds_numbers {
		allowed(arguments_of(grow, [a_number(name, bounds.low)]))
		allowed(arguments_of(grow, [a_number(name, bounds.high)]))
		refused_with(arguments_of(grow, [a_number(name, bounds.low - 1)]), "forbidden_call")
		refused_with(arguments_of(grow, [a_number(name, bounds.high + 1)]), "forbidden_call")
		refused_with(arguments_of(grow, [a_text(name, "120")]), "forbidden_call")
	}
}

test_an_instance_changes_now_and_in_these_ways_alone if {
	allowed(arguments_of(grow, [a_text("DBInstanceClass", "db.r6g.2xlarge")]))
	every argument in [
		a_text("DBInstanceClass", "db.r6g.2xlarge; x"),
		a_text("DBInstanceClass", "r6g"),
		a_number("DBInstanceClass", 1),
		a_flag("ApplyImmediately", "false"),
		a_text("ApplyImmediately", "true"),
		a_text("MasterUserPassword", "x"),
		a_flag("PubliclyAccessible", "true"),
		a_flag("DeletionProtection", "false"),
	] {
		refused_with(arguments_of(grow, [argument]), "forbidden_call")
	}
	every name in ["ApplyImmediately", "DBInstanceIdentifier", "AllocatedStorage"] {
		refused_with(without(grow, name), "forbidden_call")
	}
}

test_each_call_of_rds_has_its_own_arguments if {
	both := [a_number("AllocatedStorage", 120), a_number("Iops", 3000)]
	refused_with(without(arguments_of(grow, both), "ApplyImmediately"), "forbidden_call")
	refused_with(arguments_of(grow, [a_text("ApplyMethod", "immediate")]), "forbidden_call")
	refused_with(arguments_of(grow, [a_text("DBInstanceClass", "orders-1")]), "forbidden_call")
}

test_what_a_call_names_is_named_by_the_evidence if {
	refused_with(arguments_of(grow, [a_text("DBInstanceIdentifier", "billing-1")]), "outside_scope")
	refused_with(arguments_of(grow, [a_number("DBInstanceIdentifier", 1)]), "outside_scope")
	refused_with(with_evidence(grow, [["usename", "orders-1"]]), "outside_scope")
	refused_with(with_evidence(grow, []), "outside_scope")
}

test_the_other_calls_of_rds if {
	named_instance := a_text("DBInstanceIdentifier", "orders-1")
	allowed(operation_of(grow, "RebootDBInstance", [named_instance]))
	refused_with(operation_of(grow, "RebootDBInstance", [named_instance, a_flag("ForceFailover", "true")]), "forbidden_call")
	refused_with(operation_of(grow, "RebootDBInstance", []), "forbidden_call")

	cluster := with_evidence(grow, [["cluster", "orders"], ["reader", "orders-2"]])
	names := [a_text("DBClusterIdentifier", "orders"), a_text("TargetDBInstanceIdentifier", "orders-2")]
	allowed(operation_of(cluster, "FailoverDBCluster", names))
	refused_with(operation_of(cluster, "FailoverDBCluster", [names[0]]), "forbidden_call")

	group := with_evidence(grow, [["parameter_group", "orders-pg15"]])
	parameter := [
		a_text("DBParameterGroupName", "orders-pg15"),
		a_text("ParameterName", "work_mem"),
		a_text("ApplyMethod", "immediate"),
	]
	value := a_text("ParameterValue", "65536")
	allowed(operation_of(group, "ModifyDBParameterGroup", array.concat(parameter, [value])))
	allowed(operation_of(group, "ResetDBParameterGroup", parameter))
	refused_with(operation_of(group, "ModifyDBParameterGroup", parameter), "forbidden_call")
	every odd in [a_text("ParameterValue", "on; x"), a_flag("ParameterValue", "true"), a_text("Other", "7")] {
		refused_with(operation_of(group, "ModifyDBParameterGroup", array.concat(parameter, [odd])), "forbidden_call")
	}
	every odd in [a_text("ParameterName", "shared_preload_libraries"), a_text("ApplyMethod", "later"), a_flag("ApplyMethod", "true")] {
		some_other := [argument | some argument in parameter; argument.name != odd.name]
		refused_with(operation_of(group, "ResetDBParameterGroup", array.concat(some_other, [odd])), "forbidden_call")
	}
}

test_a_variable_changes_and_does_not_explode if {
	allowed(arguments_of(variable, [a_number("to", 400)]))
	allowed(arguments_of(variable, [a_number("to", 0)]))
	allowed(arguments_of(variable, [a_text("from", "db.r6g.large"), a_text("to", "db.r6g.xlarge")]))
	allowed(arguments_of(variable, [a_flag("from", "false"), a_flag("to", "true")]))
	every changes in [
		[a_number("to", 401)],
		[a_number("to", -1)],
		[a_number("to", 100)],
		[a_text("to", "120")],
		[a_flag("to", "true")],
		[a_text("from", "a"), a_text("to", "a")],
		[a_flag("from", "true"), a_text("to", "false")],
		[a_text("from", "100"), a_number("to", 120)],
		[a_text("file", "../prod.tfvars")],
		[a_text("file", "prod.sh")],
		[a_text("file", ".github/workflows/x.tf")],
		[a_number("file", 1)],
		[a_text("repository", " ")],
		[a_number("repository", 1)],
		[a_text("variable", "")],
		[a_number("variable", 1)],
		[a_text("branch", "main")],
	] {
		refused_with(arguments_of(variable, changes), "forbidden_call")
	}
	every name in ["file", "from", "repository", "to", "variable"] {
		refused_with(without(variable, name), "forbidden_call")
	}
}

test_a_way_back_of_a_call_is_proven_as_well if {
	refused_with(way_back_of(variable, {"remote": {"arguments": []}}), "forbidden_call")
	refused_with(way_back_of(variable, {"kind": "ci.dispatch"}), "forbidden_call")
}

test_a_workflow_is_named_by_its_file if {
	allowed(arguments_of(workflow, [a_text("workflow", "restart.yaml"), a_text("inputs/reason", "x"), a_number("inputs/n", 3)]))
	every argument in [
		a_text("workflow", "restart.sh"),
		a_text("workflow", "../restart.yml"),
		a_number("workflow", 1),
		a_text("git_ref", " "),
		a_number("git_ref", 1),
		a_text("repository", ""),
		a_flag("repository", "true"),
		a_text("environment", "x"),
	] {
		refused_with(arguments_of(workflow, [argument]), "forbidden_call")
	}
	every name in ["git_ref", "repository", "workflow"] {
		refused_with(without(workflow, name), "forbidden_call")
	}
	refused_with(step_of(workflow, {"action": {"remote": {"operation": "repository_dispatch"}}}), "forbidden_call")
	refused_with(step_of(variable, {"action": {"remote": {"operation": "merge"}}}), "forbidden_call")
}
