# A setting of one role: set within bounds, or reset.
package countersign

role_setting_proven(action) if {
	role_setting_form(action)
	setting_bounded(action.sql.utility)
}

role_setting_form(action) if {
	action.sql.kind == "alter_role_set"
	role_action_proven(action)
	action.sql.options == []
	count(action.sql.settings) == 1
	every setting in action.sql.settings {
		setting in object.keys(role_settings)
	}
	setting_form(action.sql)
	setting_database_proven(action.sql.utility)
	object.filter(action.sql.utility, ["cascade", "columns", "if_exists", "object_type", "objects"]) == {
		"cascade": false,
		"columns": [],
		"if_exists": false,
		"object_type": "",
		"objects": [],
	}
}

setting_form(sql) if {
	sql.utility.commands == ["reset"]
	sql.utility.parameters == []
}

setting_form(sql) if {
	sql.utility.commands == ["set_value"]
	count(sql.utility.parameters) == 1
	every parameter in sql.utility.parameters {
		parameter.name in sql.settings
		is_string(parameter.value)
	}
}

setting_database_proven(utility) if utility.database in {"", input.plan.target.database}

setting_bounded(utility) if {
	every parameter in utility.parameters {
		bounds := role_settings[parameter.name]
		some number in setting_numbers(parameter.value, setting_units[bounds.unit])
		within(number, bounds.low, bounds.high)
	}
}

# A whole number in the setting's own unit, or with another one right after it. Leading zeros would make it octal.
setting_numbers(value, units) := {number |
	some unit, factor in units
	endswith(value, unit)
	digits := trim_suffix(value, unit)
	regex.match(`^(0|[1-9][0-9]{0,11})$`, digits)
	number := to_number(digits) * factor
}
