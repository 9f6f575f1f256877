//! The kinds of syntax that a read may consist of. What is not listed is refused, known or not.

use sql_facts::Tree;

/// Nodes that a raw parse tree of SELECT, SHOW and EXPLAIN may hold. None of them can write, lock or define; those that
/// name something (functions, types, relations) are judged by what they name.
const HARMLESS: &[&str] = &[
    "AArrayExpr",
    "AConst",
    "AExpr",
    "AIndices",
    "AIndirection",
    "AStar",
    "Alias",
    "BitString",
    "BoolExpr",
    "Boolean",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "CollateClause",
    "ColumnDef",
    "ColumnRef",
    "CommonTableExpr",
    "CtecycleClause",
    "CtesearchClause",
    "DefElem",
    "ExplainStmt",
    "Float",
    "FuncCall",
    "GroupingFunc",
    "GroupingSet",
    "Integer",
    "JoinExpr",
    "JsonAggConstructor",
    "JsonArgument",
    "JsonArrayAgg",
    "JsonArrayConstructor",
    "JsonArrayQueryConstructor",
    "JsonBehavior",
    "JsonFormat",
    "JsonFuncExpr",
    "JsonIsPredicate",
    "JsonKeyValue",
    "JsonObjectAgg",
    "JsonObjectConstructor",
    "JsonOutput",
    "JsonParseExpr",
    "JsonReturning",
    "JsonScalarExpr",
    "JsonSerializeExpr",
    "JsonTable",
    "JsonTableColumn",
    "JsonTablePathSpec",
    "JsonValueExpr",
    "List",
    "MinMaxExpr",
    "NamedArgExpr",
    "NullTest",
    "ParamRef",
    "RangeFunction",
    "RangeSubselect",
    "RangeTableFunc",
    "RangeTableFuncCol",
    "RangeTableSample",
    "RangeVar",
    "ResTarget",
    "RowExpr",
    "SelectStmt",
    "SortBy",
    "SqlvalueFunction",
    "String",
    "SubLink",
    "TypeCast",
    "TypeName",
    "VariableShowStmt",
    "WindowDef",
    "WithClause",
    "XmlExpr",
    "XmlSerialize",
];

/// Further nodes of statements that EXPLAIN without ANALYZE may stand before.
const PLANNED: &[&str] = &[
    "DeleteStmt",
    "InferClause",
    "InsertStmt",
    "MergeStmt",
    "MergeWhenClause",
    "MultiAssignRef",
    "OnConflictClause",
    "ReturningClause",
    "SetToDefault",
    "UpdateStmt",
];

/// Returns the first node in the tree that is not on the list; `planned` says that the statement is not run.
pub fn first_unknown(tree: &Tree, planned: bool) -> Option<&str> {
    let known = |name: &str| HARMLESS.contains(&name) || (planned && PLANNED.contains(&name));
    // Depth is bounded by the parser; the work list keeps this off the stack all the same.
    let mut left = vec![tree];
    while let Some(value) = left.pop() {
        match value {
            Tree::Array(items) => left.extend(items),
            Tree::Object(fields) => {
                // A node is `{"node": {"<name>": {…}}}`; ORDER BY has a field of that name too, which holds such a one.
                if let Some(Tree::Object(node)) = fields.get("node")
                    && let Some((name, _)) = node.iter().find(|(name, _)| *name != "node" && !known(name))
                {
                    return Some(name);
                }
                left.extend(fields.values());
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn first(sql: &str) -> Option<String> {
        first_unknown(sql_facts::Statement::parse(sql).unwrap().tree(), false).map(str::to_owned)
    }

    #[test]
    fn reads_consist_of_listed_nodes() {
        for sql in [
            "SELECT DISTINCT ON (a.b) a.*, count(*) FILTER (WHERE x > 1) OVER w, CASE WHEN y THEN 1 ELSE 2 END, arr[1:2], (r).f \
             FROM public.a a LEFT JOIN LATERAL (SELECT 1) s ON true, generate_series(1, 2) WITH ORDINALITY g (n, o) \
             WHERE x IN (1, 2) AND y IS NOT NULL AND z IS TRUE AND EXISTS (SELECT 1) \
             GROUP BY ROLLUP (1), 2 HAVING count(*) > 1 WINDOW w AS (PARTITION BY a ORDER BY b) ORDER BY 1 DESC NULLS LAST LIMIT 3",
            "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SEARCH DEPTH FIRST BY n SET o SELECT * FROM t",
            "SELECT coalesce(a, b), greatest(1, 2), nullif(1, 2), current_user, ROW (1, 2), ARRAY[1, 2], B'1', 1.5, 'x' COLLATE \"C\", make_interval(secs => 1)",
            "SELECT * FROM public.t TABLESAMPLE bernoulli (1) REPEATABLE (2)",
            "SELECT extract(epoch FROM now()), a AT TIME ZONE 'UTC', x LIKE 'a' ESCAPE 'b', xmlelement(name a), json_object('a': 1) FROM public.t",
            "SELECT * FROM XMLTABLE('/a' PASSING ('<a/>'::xml) COLUMNS b int PATH 'b') x",
            "SHOW work_mem",
            "EXPLAIN (COSTS off) SELECT 1",
        ] {
            assert_eq!(first(sql), None, "{sql}");
        }
    }

    #[test]
    fn everything_else_is_named() {
        for (sql, node) in [
            ("DELETE FROM public.t", "DeleteStmt"),
            (
                "WITH w AS (INSERT INTO public.t VALUES (1) RETURNING 1) SELECT * FROM w",
                "InsertStmt",
            ),
            ("SELECT 1 FROM public.t FOR UPDATE", "LockingClause"),
            ("EXPLAIN DELETE FROM public.t", "DeleteStmt"),
            ("COPY (SELECT 1) TO STDOUT", "CopyStmt"),
            ("SET work_mem = '1GB'", "VariableSetStmt"),
        ] {
            assert_eq!(first(sql).as_deref(), Some(node), "{sql}");
        }
    }
}
