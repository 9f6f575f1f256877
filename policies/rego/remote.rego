# A step that is no statement: one call of a service beside the database, by its operation and each of its values.
package countersign

remote_proven(action) if {
	action.kind == "aws.rds"
	call_proven(action)
	input.plan.risk == "high"
	rds_proven(action.remote)
}

remote_proven(action) if {
	action.kind == "git.change"
	call_proven(action)
	input.plan.risk in {"high", "medium"}
	change_proven(action.remote)
}

remote_proven(action) if {
	action.kind == "ci.dispatch"
	call_proven(action)
	input.plan.risk in {"high", "medium"}
	dispatch_proven(action.remote)
}

# A call has no statement and no rows; that it waits for no lock is one of its bounds.
call_proven(action) if {
	action.class == "non_transactional"
	action.rows == uncounted
	action.calls == []
	action.sql == no_statement
	arguments_proven(action.remote)
}

arguments_proven(remote) if {
	is_array(remote.arguments)
	every argument in remote.arguments {
		argument_proven(argument)
	}
	count(argument_names(remote)) == count(remote.arguments)
}

argument_proven(argument) if {
	argument.type == "number"
	named(argument.name)
	format_int(argument.number, 10) == argument.text
}

argument_proven(argument) if {
	argument.type == "text"
	named(argument.name)
	is_string(argument.text)
	argument.number == -1
}

argument_proven(argument) if {
	argument.type == "boolean"
	named(argument.name)
	argument.text in {"false", "true"}
	argument.number == -1
}

argument_names(remote) := {argument.name | some argument in remote.arguments}

# --- RDS

rds_proven(remote) if {
	names := argument_names(remote)
	allowed_names := rds_calls[remote.operation]
	count(allowed_names.must - names) == 0
	count((names - allowed_names.must) - allowed_names.may) == 0
	count(names) >= allowed_names.at_least
	every argument in remote.arguments {
		rds_value_proven(argument)
	}
}

rds_value_proven(argument) if {
	argument.type == "number"
	bounds := rds_numbers[argument.name]
	within(argument.number, bounds.low, bounds.high)
}

rds_value_proven(argument) if {
	argument.type == "text"
	argument.name in rds_objects
	argument.text in evidence_resources
}

rds_value_proven(argument) if {
	argument.type == "text"
	argument.text in rds_words[argument.name]
}

rds_value_proven(argument) if {
	argument.type == "text"
	argument.name == "DBInstanceClass"
	regex.match(`^db\.[a-z0-9-]+\.[a-z0-9]+$`, argument.text)
}

rds_value_proven(argument) if {
	argument.type == "text"
	argument.name == "ParameterValue"
	regex.match(`^-?[0-9]{1,12}$`, argument.text)
}

# Now, and not in a maintenance window that nobody watches.
rds_value_proven(argument) if {
	argument.type == "boolean"
	argument.name == "ApplyImmediately"
	argument.text == "true"
}

evidence_resources contains evidence_text.text if {
	some evidence_text in input.plan.evidence
	evidence_text.field in resource_fields
}

# --- Terraform

change_proven(remote) if {
	remote.operation == "commit"
	argument_names(remote) == {"file", "from", "repository", "to", "variable"}
	every argument in remote.arguments {
		change_value_proven(argument)
	}
	changes_value(value_of(remote, "from"), value_of(remote, "to"))
}

change_value_proven(argument) if argument.name in {"from", "to"}

change_value_proven(argument) if {
	argument.name in {"repository", "variable"}
	argument.type == "text"
	named(argument.text)
}

change_value_proven(argument) if {
	argument.name == "file"
	argument.type == "text"
	regex.match(`^([A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.(tf|tfvars)$`, argument.text)
}

changes_value(before, after) if {
	before.type == "number"
	after.type == "number"
	within(after.number, 0, limits.terraform_growth * before.number)
	before.number != after.number
}

changes_value(before, after) if {
	before.type == after.type
	before.type in {"boolean", "text"}
	before.text != after.text
}

value_of(remote, name) := argument if {
	some argument in remote.arguments
	argument.name == name
}

# --- a workflow

dispatch_proven(remote) if {
	remote.operation == "workflow_dispatch"
	count({"git_ref", "repository", "workflow"} - argument_names(remote)) == 0
	every argument in remote.arguments {
		dispatch_value_proven(argument)
	}
}

dispatch_value_proven(argument) if startswith(argument.name, "inputs/")

dispatch_value_proven(argument) if {
	argument.name in {"git_ref", "repository"}
	argument.type == "text"
	named(argument.text)
}

dispatch_value_proven(argument) if {
	argument.name == "workflow"
	argument.type == "text"
	regex.match(`^[A-Za-z0-9_][A-Za-z0-9_.-]*\.ya?ml$`, argument.text)
}

# --- why not

denials contains denial(
	"forbidden_call",
	sprintf("the call `%s` is not proven fine", [action.remote.operation]),
	step.id,
	json.marshal(action.remote.arguments),
	concat(" ", [
		"calls of `rds_calls` with values within `rds_numbers` and `rds_words`; a Terraform variable that changes its value and at most",
		"grows fourfold; a workflow by its file: of a plan whose risk is not low",
	]),
) if {
	some [step, action] in actions
	action.kind in remote_kinds
	not remote_proven(action)
}

denials contains denial(
	"outside_scope",
	sprintf("the evidence does not name `%s`", [argument.text]),
	step.id,
	json.marshal(argument),
	concat(", ", evidence_resources),
) if {
	some [step, action] in actions
	some argument in action.remote.arguments
	argument.name in rds_objects
	not argument.text in evidence_resources
}

denials contains denial(
	"understated_risk",
	"a call of a service is never of low risk, and one that costs money or an outage is of high risk",
	step.id,
	input.plan.risk,
	"high; medium for a Terraform variable or a workflow",
) if {
	some [step, action] in actions
	risks := remote_risks[action.kind]
	not input.plan.risk in risks
}
