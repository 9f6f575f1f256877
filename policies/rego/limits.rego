# Every number and every list of names that the policy knows.
package countersign

limits := {
	"steps": 50,
	"statement_timeout_s": 600,
	"lock_timeout_ms": 5000,
	"storage_lock_timeout_ms": 2000,
	"state_wait_s": 600,
	"verification_s": 3600,
	"approval_window_s": 900,
	"execution_window_s": 1800,
	"executions_last_day": 24,
	"terraform_growth": 4,
	"blast_radius": {
		"gib": 4096,
		"indexes": 1,
		"instances": 1,
		"mib": 20480,
		"seconds": 600,
		"sessions": 500,
		"slots": 1,
		"statements": 50,
		"tables": 1,
	},
}

# Who answers for the server, and who for what it serves.
high_risk_groups := ["dba", "service-owner"]

lesser_environments := {"ci", "demo", "dev", "development", "sandbox", "staging", "test"}

# The only functions that may have an effect, and only where `signal_proven` says. They look at the session again themselves,
# and reach no superuser and no replication; PostgreSQL's own may stand nowhere.
signal_functions := {"countersign.cancel_backend", "countersign.terminate_backend"}

# And the one that ends a replication slot, only where `slot_drop_proven` says.
slot_functions := {"pg_catalog.pg_drop_replication_slot"}

# Functions that change nothing, whoever calls them; with or without `pg_catalog.` before them. Both are written out, since every
# evaluation would put them together again.
reading_names := {
	"abs", "pg_catalog.abs",
	"age", "pg_catalog.age",
	"array_agg", "pg_catalog.array_agg",
	"bool_and", "pg_catalog.bool_and",
	"bool_or", "pg_catalog.bool_or",
	"ceil", "pg_catalog.ceil",
	"clock_timestamp", "pg_catalog.clock_timestamp",
	"count", "pg_catalog.count",
	"current_database", "pg_catalog.current_database",
	"current_setting", "pg_catalog.current_setting",
	"extract", "pg_catalog.extract",
	"floor", "pg_catalog.floor",
	"greatest", "pg_catalog.greatest",
	"inet_server_addr", "pg_catalog.inet_server_addr",
	"least", "pg_catalog.least",
	"length", "pg_catalog.length",
	"lower", "pg_catalog.lower",
	"make_interval", "pg_catalog.make_interval",
	"max", "pg_catalog.max",
	"min", "pg_catalog.min",
	"now", "pg_catalog.now",
	"pg_backend_pid", "pg_catalog.pg_backend_pid",
	"pg_blocking_pids", "pg_catalog.pg_blocking_pids",
	"pg_current_wal_lsn", "pg_catalog.pg_current_wal_lsn",
	"pg_database_size", "pg_catalog.pg_database_size",
	"pg_is_in_recovery", "pg_catalog.pg_is_in_recovery",
	"pg_last_wal_receive_lsn", "pg_catalog.pg_last_wal_receive_lsn",
	"pg_last_wal_replay_lsn", "pg_catalog.pg_last_wal_replay_lsn",
	"pg_last_xact_replay_timestamp", "pg_catalog.pg_last_xact_replay_timestamp",
	"pg_postmaster_start_time", "pg_catalog.pg_postmaster_start_time",
	"pg_relation_size", "pg_catalog.pg_relation_size",
	"pg_total_relation_size", "pg_catalog.pg_total_relation_size",
	"pg_wal_lsn_diff", "pg_catalog.pg_wal_lsn_diff",
	"round", "pg_catalog.round",
	"statement_timestamp", "pg_catalog.statement_timestamp",
	"sum", "pg_catalog.sum",
	"to_regclass", "pg_catalog.to_regclass",
	"transaction_timestamp", "pg_catalog.transaction_timestamp",
	"upper", "pg_catalog.upper",
}

reading_functions := unqualified(reading_names)

signalling_names := reading_names | signal_functions

# Types whose input and casts run no code of a user; with or without `pg_catalog.` before them.
type_names := {
	"bool", "pg_catalog.bool",
	"date", "pg_catalog.date",
	"float4", "pg_catalog.float4",
	"float8", "pg_catalog.float8",
	"inet", "pg_catalog.inet",
	"int2", "pg_catalog.int2",
	"int4", "pg_catalog.int4",
	"int8", "pg_catalog.int8",
	"interval", "pg_catalog.interval",
	"name", "pg_catalog.name",
	"numeric", "pg_catalog.numeric",
	"oid", "pg_catalog.oid",
	"pg_lsn", "pg_catalog.pg_lsn",
	"regclass", "pg_catalog.regclass",
	"regrole", "pg_catalog.regrole",
	"text", "pg_catalog.text",
	"timestamp", "pg_catalog.timestamp",
	"timestamptz", "pg_catalog.timestamptz",
	"varchar", "pg_catalog.varchar",
	"xid", "pg_catalog.xid",
	"xid8", "pg_catalog.xid8",
}

plain_types := unqualified(type_names)

unqualified(names) := {name | some name in names; not startswith(name, "pg_catalog.")}

expectations := {"at_least", "at_most", "equals", "is_true"}

# What a SELECT that only reads says besides `select_parts`.
plain_select := {
	"kind": "select",
	"concurrently": false,
	"opaque": [],
	"options": [],
	"relations_written": [],
	"roles": [],
	"row_locks": false,
	"settings": [],
	"utility": no_utility,
}

select_parts := {"conditions", "from", "functions", "nested_kinds", "output", "relations_read", "text", "types"}

# Settings of a role that a plan may change, each with its bounds in its own unit: how long a session may hold on to
# something, and how much it may take.
role_settings := {
	"idle_in_transaction_session_timeout": {"unit": "ms", "low": 1000, "high": 86400000},
	"idle_session_timeout": {"unit": "ms", "low": 1000, "high": 86400000},
	"lock_timeout": {"unit": "ms", "low": 100, "high": 86400000},
	"statement_timeout": {"unit": "ms", "low": 1000, "high": 86400000},
	"temp_file_limit": {"unit": "kB", "low": 1024, "high": 1073741824},
	"transaction_timeout": {"unit": "ms", "low": 1000, "high": 86400000},
	"work_mem": {"unit": "kB", "low": 64, "high": 1048576},
}

# How PostgreSQL writes sizes and times, in the setting's own unit.
setting_units := {
	"kB": {"": 1, "kB": 1, "MB": 1024, "GB": 1048576, "TB": 1073741824},
	"ms": {"": 1, "ms": 1, "s": 1000, "min": 60000, "h": 3600000, "d": 86400000},
}

# The options that VACUUM and ANALYZE may have, exactly; FULL, which rewrites the table under the strongest lock, never.
vacuum_parameters := {
	"analyze": [[]],
	"vacuum": [
		[{"name": "analyze", "value": ""}],
		[
			{"name": "freeze", "value": ""},
			{"name": "index_cleanup", "value": "off"},
			{"name": "truncate", "value": "off"},
		],
	],
}

index_parameters := {"drop": [], "reindex": [{"name": "concurrently", "value": ""}]}

# The fields of the evidence that name an object, by its type; VACUUM and ANALYZE say none.
scope_fields := {
	"": {"relname", "table"},
	"index": {"index", "indexrelname"},
	"table": {"relname", "table"},
}

no_utility := {
	"cascade": false,
	"columns": [],
	"commands": [],
	"database": "",
	"if_exists": false,
	"object_type": "",
	"objects": [],
	"parameters": [],
}

# The calls of the RDS API that a plan may make, what each must and may name, and how many of these at the least.
rds_calls := {
	"FailoverDBCluster": {
		"must": {"DBClusterIdentifier", "TargetDBInstanceIdentifier"},
		"may": set(),
		"at_least": 2,
	},
	"ModifyDBInstance": {
		"must": {"ApplyImmediately", "DBInstanceIdentifier"},
		"may": {"AllocatedStorage", "DBInstanceClass", "Iops", "MaxAllocatedStorage", "StorageThroughput"},
		"at_least": 3,
	},
	"ModifyDBParameterGroup": {
		"must": {"ApplyMethod", "DBParameterGroupName", "ParameterName", "ParameterValue"},
		"may": set(),
		"at_least": 4,
	},
	"RebootDBInstance": {
		"must": {"DBInstanceIdentifier"},
		"may": set(),
		"at_least": 1,
	},
	"ResetDBParameterGroup": {
		"must": {"ApplyMethod", "DBParameterGroupName", "ParameterName"},
		"may": set(),
		"at_least": 3,
	},
}

# What a call names must be named by the evidence.
rds_objects := {"DBClusterIdentifier", "DBInstanceIdentifier", "DBParameterGroupName", "TargetDBInstanceIdentifier"}

resource_fields := {"cluster", "instance", "parameter_group", "reader", "writer"}

# Gibibytes, operations per second, and mebibytes per second, as the API bounds them for gp3 and io2.
rds_numbers := {
	"AllocatedStorage": {"low": 20, "high": 65536},
	"Iops": {"low": 1000, "high": 256000},
	"MaxAllocatedStorage": {"low": 22, "high": 65536},
	"StorageThroughput": {"low": 125, "high": 4000},
}

rds_words := {
	"ApplyMethod": {"immediate", "pending-reboot"},
	"ParameterName": {
		"autovacuum_max_workers",
		"autovacuum_vacuum_cost_limit",
		"checkpoint_timeout",
		"idle_in_transaction_session_timeout",
		"log_min_duration_statement",
		"max_connections",
		"max_wal_size",
		"statement_timeout",
		"work_mem",
	},
}

remote_kinds := {"aws.rds", "ci.dispatch", "git.change"}

remote_risks := {"aws.rds": {"high"}, "ci.dispatch": {"high", "medium"}, "git.change": {"high", "medium"}}

# What stands where a step is no statement, and where it is no call.
no_statement := {
	"concurrently": false,
	"conditions": [],
	"from": [],
	"functions": [],
	"kind": "none",
	"nested_kinds": [],
	"opaque": [],
	"options": [],
	"output": "",
	"relations_read": [],
	"relations_written": [],
	"roles": [],
	"row_locks": false,
	"settings": [],
	"text": "",
	"types": [],
	"utility": no_utility,
}

no_call := {"arguments": [], "operation": ""}

# What a statement without rows expects of them.
uncounted := {"counted": false, "at_least": 0, "at_most": 0}
