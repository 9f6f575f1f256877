//! Writes a relation down as the statements that would make it, for reading. Pure.

use crate::relation::{Column, Kind, Policy, Relation};

const NOT_READ: &str = "definition not read: the relation is locked";

/// Returns the statements. What could not be read stands there as a comment.
pub fn render(relation: &Relation, statistics: &[String]) -> String {
    let mut statements = vec![create(relation)];
    for index in relation
        .indexes
        .iter()
        .filter(|index| !index.of_constraint && relation.kind != Kind::Index)
    {
        statements.push(known(index.definition.as_deref(), || format!("index {}", index.name)));
    }
    for trigger in &relation.triggers {
        statements.push(known(trigger.definition.as_deref(), || {
            format!("trigger {}", trigger.name)
        }));
    }
    if relation.row_security {
        statements.push(format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY;", relation.qualified));
    }
    if relation.force_row_security {
        statements.push(format!("ALTER TABLE {} FORCE ROW LEVEL SECURITY;", relation.qualified));
    }
    statements.extend(relation.policies.iter().map(|policy| create_policy(relation, policy)));
    statements.extend(statistics.iter().map(|definition| format!("{definition};")));
    if let Some(comment) = &relation.comment {
        let kind = keyword(relation.kind);
        statements.push(format!(
            "COMMENT ON {kind} {} IS {};",
            relation.qualified,
            literal(comment)
        ));
    }
    for column in &relation.columns {
        if let Some(comment) = &column.comment {
            statements.push(format!(
                "COMMENT ON COLUMN {}.{} IS {};",
                relation.qualified,
                column.quoted,
                literal(comment)
            ));
        }
    }
    statements.join("\n")
}

fn create(relation: &Relation) -> String {
    let name = &relation.qualified;
    match relation.kind {
        Kind::Table | Kind::PartitionedTable | Kind::ForeignTable => create_table(relation),
        Kind::View | Kind::MaterializedView => {
            let view = relation.view_definition.as_deref().map(|query| {
                let query = query.trim().trim_end_matches(';');
                format!("CREATE {} {name} AS\n{query}", keyword(relation.kind))
            });
            known(view.as_deref(), || format!("{} {name}", keyword(relation.kind)))
        }
        Kind::Sequence => relation.sequence.as_ref().map_or_else(String::new, |sequence| {
            format!(
                "CREATE SEQUENCE {name} AS {} INCREMENT BY {} MINVALUE {} MAXVALUE {} START WITH {} CACHE {}{};",
                sequence.data_type,
                sequence.increment,
                sequence.min,
                sequence.max,
                sequence.start,
                sequence.cache,
                if sequence.cycle { " CYCLE" } else { "" }
            )
        }),
        Kind::Index => {
            let definition = relation.indexes.first().and_then(|index| index.definition.as_deref());
            known(definition, || format!("index {name}"))
        }
    }
}

fn create_table(relation: &Relation) -> String {
    let unlogged = if relation.unlogged { "UNLOGGED " } else { "" };
    let foreign = if relation.kind == Kind::ForeignTable {
        "FOREIGN "
    } else {
        ""
    };
    let head = format!("CREATE {unlogged}{foreign}TABLE {}", relation.qualified);
    let is_partition = relation.partition_bound.is_some();
    let mut parts: Vec<String> = relation
        .columns
        .iter()
        .filter(|column| column.local && !is_partition)
        .map(|column| format!("    {}", column_text(column)))
        .collect();
    let mut unread = Vec::new();
    for constraint in relation
        .constraints
        .iter()
        .filter(|constraint| constraint.kind != "not_null")
    {
        match &constraint.definition {
            Some(definition) => parts.push(format!("    CONSTRAINT {} {definition}", constraint.quoted)),
            None => unread.push(format!(
                "    -- {} constraint {}: {NOT_READ}",
                constraint.kind, constraint.name
            )),
        }
    }
    let mut text = head;
    if let (Some(bound), Some(parent)) = (&relation.partition_bound, relation.parents.first()) {
        text.push_str(&format!(" PARTITION OF {parent}"));
        if !parts.is_empty() {
            text.push_str(&format!(" (\n{}\n)", parts.join(",\n")));
        }
        text.push_str(&format!("\n{bound}"));
    } else {
        text.push_str(&format!(" (\n{}\n)", parts.join(",\n")));
        if !relation.parents.is_empty() {
            text.push_str(&format!("\nINHERITS ({})", relation.parents.join(", ")));
        }
    }
    if let Some(partitioned_by) = &relation.partitioned_by {
        let own = || {
            format!(
                "{} ({})",
                partitioned_by.strategy.to_uppercase(),
                partitioned_by.columns.join(", ")
            )
        };
        let key = partitioned_by.definition.clone().unwrap_or_else(own);
        text.push_str(&format!("\nPARTITION BY {key}"));
    }
    if let Some(options) = &relation.reloptions {
        text.push_str(&format!("\nWITH ({})", options.join(", ")));
    }
    if let Some(tablespace) = &relation.tablespace {
        text.push_str(&format!("\nTABLESPACE {tablespace}"));
    }
    text.push(';');
    unread.into_iter().fold(text, |text, line| format!("{text}\n{line}"))
}

fn column_text(column: &Column) -> String {
    let mut text = format!("{} {}", column.quoted, column.data_type);
    if let Some(collation) = &column.collation {
        text.push_str(&format!(" COLLATE {collation}"));
    }
    match (&column.generated, &column.identity, &column.default) {
        (Some(kind), _, Some(expression)) => {
            text.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {}", kind.to_uppercase()));
        }
        (Some(kind), _, None) => text.push_str(&format!(" /* generated {kind}: {NOT_READ} */")),
        (None, Some(identity), _) => {
            text.push_str(&format!(" GENERATED {} AS IDENTITY", identity.to_uppercase()));
        }
        (None, None, Some(default)) => text.push_str(&format!(" DEFAULT {default}")),
        (None, None, None) => {}
    }
    if !column.nullable {
        text.push_str(" NOT NULL");
    }
    text
}

fn create_policy(relation: &Relation, policy: &Policy) -> String {
    let mut text = format!("CREATE POLICY {} ON {}", policy.quoted, relation.qualified);
    if !policy.permissive {
        text.push_str(" AS RESTRICTIVE");
    }
    text.push_str(&format!(
        " FOR {} TO {}",
        policy.command.to_uppercase(),
        policy.roles.join(", ")
    ));
    if let Some(using) = &policy.using {
        text.push_str(&format!(" USING ({using})"));
    }
    if let Some(check) = &policy.check {
        text.push_str(&format!(" WITH CHECK ({check})"));
    }
    text.push(';');
    if policy.using.is_none() && policy.check.is_none() {
        text.push_str(&format!(" -- {NOT_READ}"));
    }
    text
}

fn known(definition: Option<&str>, what: impl FnOnce() -> String) -> String {
    definition.map_or_else(|| format!("-- {}: {NOT_READ}", what()), |text| format!("{text};"))
}

fn keyword(kind: Kind) -> &'static str {
    match kind {
        Kind::Table | Kind::PartitionedTable => "TABLE",
        Kind::ForeignTable => "FOREIGN TABLE",
        Kind::View => "VIEW",
        Kind::MaterializedView => "MATERIALIZED VIEW",
        Kind::Sequence => "SEQUENCE",
        Kind::Index => "INDEX",
    }
}

fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
