//! `logs_insights_query`: what a caller writes reaches AWS only when its text is proven to stay inside.

use serde_json::{Value, json};

use super::{
    BINARY, GROUP, Mcp, OTHER, StandIn, code, configured, event, incident, line, orders, server,
    support::{assert_allowed, compare_golden},
    with,
};

const ENABLED: &str = "[logs]\nfree_queries = true\n";

fn enabled(standin: &StandIn) -> (tempfile::TempDir, Mcp) {
    configured(standin, ENABLED)
}

fn query(text: &str) -> Value {
    json!({"query": text, "log_groups": [GROUP]})
}

fn in_language(language: &str, text: &str) -> Value {
    json!({"query": text, "language": language, "log_groups": [GROUP]})
}

#[test]
fn it_is_there_only_when_the_operator_enables_it() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let mut off = with(&standin);
    assert_eq!(
        off.request(
            "tools/call",
            json!({"name": "logs_insights_query", "arguments": query("fields @message")})
        )["isError"],
        Value::Null
    );
    let names = |client: &mut Mcp| -> Vec<String> {
        let tools = client.request("tools/list", json!({}));
        tools["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let without = names(&mut off);
    let (_folder, mut on) = enabled(&standin);
    let with_it = names(&mut on);
    let added: Vec<&String> = with_it.iter().filter(|name| !without.contains(name)).collect();
    assert_eq!(added, ["logs_insights_query"]);
    let tools = on.request("tools/list", json!({}))["tools"].clone();
    let free = tools
        .as_array()
        .unwrap()
        .iter()
        .find(|tool| tool["name"] == "logs_insights_query")
        .unwrap();
    compare_golden(free, "tests/free_query.json");
    assert_eq!(standin.requests(), []);
}

#[test]
fn what_was_judged_is_what_is_sent() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let (_folder, mut client) = enabled(&standin);
    let sent = |standin: &StandIn| {
        let (_, request) = standin
            .requests()
            .into_iter()
            .rfind(|(operation, _)| operation == "StartQuery")
            .unwrap();
        request
    };
    let answer = client
        .call(
            "logs_insights_query",
            query("fields  @timestamp,\n @message # | SOURCE logGroups()\n | filter @message like /deadlock/\n|sort @timestamp desc"),
        )
        .unwrap();
    let text = "fields @timestamp, @message\n| filter @message like /deadlock/\n| sort @timestamp desc\n| limit 50";
    assert_eq!(
        (&sent(&standin)["queryString"], &sent(&standin)["logGroupNames"]),
        (&json!(text), &json!([GROUP]))
    );
    assert_eq!(
        (&answer["rows_total"], &answer["truncated"], &answer["untrusted"]),
        (&json!(1), &json!(false), &json!(true))
    );
    assert_eq!(answer["log_groups_read"], json!([GROUP]));
    assert_eq!(answer["query"], text.replace('\n', " "));
    assert!(answer["rows"][0].get("@ptr").is_none());
    let record = client
        .call("log_record", json!({"record": answer["rows"][0]["record"]}))
        .unwrap();
    assert!(
        record["lines"][0]
            .as_str()
            .unwrap()
            .ends_with("ERROR: deadlock detected")
    );

    // SQL names its groups in the text and nowhere else; PPL nowhere in the text.
    let sql = format!(
        "SELECT `@message` -- all of it\nFROM `{GROUP}` AS l WHERE l.`@message` LIKE '%x%' ORDER BY `@timestamp` DESC"
    );
    client.call("logs_insights_query", in_language("sql", &sql)).unwrap();
    let text = format!(
        "SELECT `@message` FROM `{GROUP}` AS l WHERE l.`@message` LIKE '%x%' ORDER BY `@timestamp` DESC LIMIT 50"
    );
    assert_eq!(
        (&sent(&standin)["queryString"], sent(&standin).get("logGroupNames")),
        (&json!(text), None)
    );
    let ppl = format!(
        "source = `{GROUP}` /* here */ | where `@message` = 'x' | stats count() by span(`@timestamp`, 5m) | head 7"
    );
    client.call("logs_insights_query", in_language("ppl", &ppl)).unwrap();
    assert_eq!(
        (&sent(&standin)["queryString"], &sent(&standin)["logGroupNames"]),
        (
            &json!("where `@message` = 'x'\n| stats count() by span(`@timestamp`, 5m)\n| head 7"),
            &json!([GROUP])
        )
    );
    // Each was estimated first, in the language that has `estimate`.
    let estimates = standin
        .requests()
        .iter()
        .filter(|(_, request)| {
            request["queryString"]
                .as_str()
                .is_some_and(|text| text.ends_with("| estimate"))
        })
        .count();
    assert_eq!(estimates, 3);
    assert_allowed("logs", &standin);
}

#[test]
fn useful_queries_pass() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    // The stand-in does not know all of the language, so AWS's side is an error here; ours must not be.
    let (_folder, mut client) = enabled(&standin);
    for text in [
        "stats count(*) as n, pct(ms, 99) by bin(5m), @logStream | sort n desc | limit 20",
        "parse @message \"duration: * ms\" as ms | filter ms > 100 and not (ms > 5000) | display ms",
        "parse @message /user=(?<who>[^ ]+)/ | stats count_distinct(who)",
        "filter @message not like /ERROR|FATAL/ and @logStream in [\"orders-1\", \"orders-2\"]",
        "fields strcontains(@message, \"x\") as found, `odd-name` | dedup found | pattern @message",
        "filter ispresent(`source`) | fields ms * 0.001 + 1",
    ] {
        let answer = client.call("logs_insights_query", query(text));
        if let Err(refusal) = answer {
            assert!(
                ["invalid_request", "estimate_failed"].contains(&refusal.code()),
                "{text}: {refusal:?}"
            );
        }
    }
    for text in [
        "SELECT COUNT(*) AS n FROM `G` WHERE `@message` LIKE '%x%' GROUP BY `@logStream` HAVING COUNT(*) > 3 LIMIT 5",
        "SELECT a.`@message` FROM `G` a INNER JOIN `G` AS b ON a.`id` = b.`id` AND (a.`x` = 1) WHERE b.`y` <> 'z'",
        "SELECT * FROM `G` LEFT OUTER JOIN `G` b ON b.id = 1 ORDER BY b.id LIMIT 500",
    ] {
        let answer = client.call(
            "logs_insights_query",
            in_language("sql", &text.replace("`G`", &format!("`{GROUP}`"))),
        );
        assert!(answer.is_ok(), "{text}: {answer:?}");
    }
}

#[test]
fn no_text_escapes_the_allow_list_or_the_budget() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let (_folder, mut client) = enabled(&standin);
    let refused = "query_refused";
    let logs_insights: &[(&str, &str)] = &[
        ("SOURCE logGroups() | fields @message", "`SOURCE` chooses log groups"),
        (
            "source logGroups(namePrefix: ['/aws']) | fields @message",
            "chooses log groups",
        ),
        (
            "SOURCE logGroups(namePrefix: ['x'], accountIdentifiers: ['999999999999']) | limit 5",
            "chooses log groups",
        ),
        ("fields @message | SOURCE logGroups()", "at character 19"),
        ("# harmless\nSOURCE logGroups() | fields @message", "at character 12"),
        ("fields @message # '\n| SOURCE logGroups() # '", "at character 23"),
        ("fields @message\r| SOURCE logGroups()", "control or invisible"),
        ("fields @message, SOURCE", "`SOURCE` chooses log groups"),
        ("`SOURCE` logGroups() | fields @message", "must begin with its name"),
        ("'SOURCE' | fields @message", "must begin with its name"),
        (
            "fields @message | join type=inner (SOURCE logGroups())",
            "second source",
        ),
        (
            "filter @message in (SOURCE logGroups() | fields @message)",
            "a source with arguments chooses log groups",
        ),
        ("filter x in (fields @message | limit 1)", "a subquery"),
        ("fields loggroups(x)", "chooses log groups"),
        ("fields unmask(@message)", "`unmask` lays open"),
        ("fields UnMask (@message)", "`unmask` lays open"),
        ("fields `unmask`(@message)", "only the name of a function"),
        ("fields un\u{200B}mask(@message)", "control or invisible"),
        ("fields unm\u{0430}sk(@message)", "outside ASCII"),
        ("unmask @message", "is not one of fields"),
        ("fields @message | diff", "beyond the given time"),
        ("fields @message | anomaly", "beyond the given time"),
        ("fields @message | lookup accounts id", "second source"),
        ("fields @message | estimate", "made before every query"),
        ("fields @message | limit 501", "`501` rows"),
        ("fields @message | limit 100000", "`100000` rows"),
        ("fields @message | limit 5 | limit 100000", "`100000` rows"),
        ("fields @message | limit 0", "`0` rows"),
        ("fields @message | limit 10, 100000", "a limit is one number"),
        ("fields @message; SOURCE logGroups()", "more than one statement"),
        ("fields 'it\\'s | SOURCE logGroups()'", "backslash"),
        (
            "fields 'a # b', x\n| filter y = ' | SOURCE logGroups() | filter z = '",
            "opens a comment",
        ),
        ("fields 'a\n| SOURCE logGroups() | fields 'b'", "line break"),
        ("fields 'never closed | limit 5", "is not closed"),
        (
            "filter @message like /a[/ and x = / | SOURCE logGroups() |/ ",
            "cannot read",
        ),
        (
            "filter @message like /a\\/ | SOURCE logGroups() | filter x like /b/",
            "slash or a line break",
        ),
        ("stats sum(a) / 2 | filter x like /y/", "a division"),
        ("fields f(@message)", "the function `f`"),
        ("fields jsonParse(@message)", "the function `jsonParse`"),
        ("fields (@message", "not closed"),
        ("fields @message)", "closes nothing"),
        ("| fields @message", "is empty"),
        ("", "at least 1"),
        ("# only a comment", "is empty"),
        ("fields 'CmEKJgoiMTIz' as @ptr", "names `@ptr`"),
        ("parse @message /(?<x>.*)/ | fields x as `@PTR`", "names `@ptr`"),
        (
            "filter @log = 'arn:aws:logs:eu-central-1:999999999999:log-group:/aws/x'",
            "holds an ARN",
        ),
    ];
    let sql: &[(&str, &str)] = &[
        ("SELECT * FROM `/aws/lambda/payroll`", "not one of `log_groups`"),
        (
            "SELECT * FROM `G` a INNER JOIN `/aws/lambda/payroll` b ON a.x = b.x",
            "not one of `log_groups`",
        ),
        ("SELECT * FROM `G`, `/aws/lambda/payroll`", "expected INNER JOIN"),
        (
            "SELECT * FROM `logGroups(logGroupIdentifier: ['/aws/lambda/payroll'])`",
            "not one of `log_groups`",
        ),
        (
            "SELECT * FROM `filterIndex('region' = 'us-east-1')`",
            "not one of `log_groups`",
        ),
        (
            "SELECT * FROM `arn:aws:logs:eu-central-1:999999999999:log-group:G`",
            "holds an ARN",
        ),
        ("SELECT * FROM `G ` WHERE 1 = 1", "begins or ends with a space"),
        ("SELECT * FROM \"/aws/lambda/payroll\"", "in backticks"),
        ("SELECT * FROM '/aws/lambda/payroll'", "in backticks"),
        ("SELECT * FROM payroll", "in backticks"),
        (
            "SELECT * FROM /* `G` */ `/aws/lambda/payroll`",
            "not one of `log_groups`",
        ),
        (
            "SELECT * FROM -- `G`\n `/aws/lambda/payroll`",
            "not one of `log_groups`",
        ),
        ("SELECT * FROM /* /* */ `G` */ `/aws/lambda/payroll`", "something else"),
        ("SELECT * FROM /*! `/aws/lambda/payroll` */ `G`", "something else"),
        (
            "SELECT '--' , x FROM `G` WHERE y = ' FROM `/aws/lambda/payroll`'",
            "opens a comment",
        ),
        (
            "SELECT (SELECT 1 FROM `/aws/lambda/payroll`) FROM `G`",
            "only one SELECT",
        ),
        (
            "SELECT * FROM (SELECT * FROM `/aws/lambda/payroll`) x",
            "the function `FROM`",
        ),
        (
            "SELECT * FROM `G` WHERE x IN (SELECT y FROM `/aws/lambda/payroll`)",
            "only one SELECT",
        ),
        ("SELECT * FROM `G` WHERE EXISTS (SELECT 1)", "`EXISTS`"),
        (
            "SELECT * FROM `G` UNION ALL SELECT * FROM `/aws/lambda/payroll`",
            "`UNION`",
        ),
        (
            "SELECT * FROM `G` WHERE 1 = 1 UNION SELECT * FROM `/aws/lambda/payroll`",
            "`UNION`",
        ),
        (
            "WITH x AS (SELECT * FROM `/aws/lambda/payroll`) SELECT * FROM x",
            "begins with SELECT",
        ),
        (
            "SELECT * FROM `G`; SELECT * FROM `/aws/lambda/payroll`",
            "more than one statement",
        ),
        (
            "SELECT * FROM `G` CROSS JOIN `/aws/lambda/payroll`",
            "expected INNER JOIN",
        ),
        (
            "SELECT * FROM `G` x JOIN `G` y JOIN `/aws/lambda/payroll` z ON 1 = 1",
            "needs ON",
        ),
        (
            "SELECT * FROM `G` WHERE x = 1 JOIN `/aws/lambda/payroll` y ON 1 = 1",
            "behind the sources",
        ),
        ("SELECT explode(x) FROM `G`", "the function `explode`"),
        ("SELECT unmask(`@message`) FROM `G`", "`unmask` lays open"),
        ("SELECT 1", "names no log group"),
        ("SELECT 'CmEKJgoiMTIz' AS `@ptr` FROM `G`", "names `@ptr`"),
        (
            "SELECT * FROM `G` a JOIN `G` b ON (a.x = b.x JOIN `/aws/lambda/payroll` c)",
            "inside parentheses",
        ),
        ("SHOW TABLES", "begins with SELECT"),
        ("SELECT * FROM `G` LIMIT 100000", "`100000` rows"),
        ("SELECT * FROM `G` LIMIT 5 OFFSET 100000", "`OFFSET`"),
        ("SELECT 'it''s' FROM `G`", "doubled"),
    ];
    let ppl: &[(&str, &str)] = &[
        (
            "source = `/aws/lambda/payroll` | fields `@message`",
            "not one of `log_groups`",
        ),
        (
            "search source=`/aws/lambda/payroll` | fields `@message`",
            "not one of `log_groups`",
        ),
        (
            "source = `G`, `/aws/lambda/payroll` | fields `@message`",
            "not one of `log_groups`",
        ),
        ("source = [lg:`/aws/lambda/payroll`] | fields x", "chooses log groups"),
        ("source = payroll | fields x", "a source is written"),
        ("source = `G`", "nothing is done"),
        ("fields x | source = `/aws/lambda/payroll`", "chooses log groups"),
        (
            "fields x | join left=l, right=r on l.a = r.a `/aws/lambda/payroll`",
            "second source",
        ),
        (
            "LEFT JOIN left=l, right=r on l.a = r.a `/aws/lambda/payroll` | fields x",
            "second source",
        ),
        ("fields x | lookup `/aws/lambda/payroll` id", "second source"),
        ("where x in [ source = `/aws/lambda/payroll` | fields y ]", "subqueries"),
        ("where exists [ source = `/aws/lambda/payroll` ]", "subqueries"),
        (
            "fields x // '\n | source = `/aws/lambda/payroll` // '",
            "chooses log groups",
        ),
        ("eval y = unmask(x)", "`unmask` lays open"),
        ("fields x | head 100000", "`100000` rows"),
        ("fields x | head 5 from 100000", "`head` takes one number"),
        ("describe `/aws/lambda/payroll`", "is not one of fields"),
    ];
    let mut cases: Vec<(Value, &str, &str)> = Vec::new();
    for (language, texts) in [("logs_insights", logs_insights), ("sql", sql), ("ppl", ppl)] {
        for (text, reason) in texts {
            let code = match *reason {
                "not one of `log_groups`" => "outside_allow_list",
                "at least 1" => "invalid_arguments",
                _ => refused,
            };
            cases.push((
                in_language(language, &text.replace("`G", &format!("`{GROUP}"))),
                code,
                reason,
            ));
        }
    }
    let named = |groups: Value| json!({"query": "fields @message", "log_groups": groups});
    let timed = |minutes: Value, until: Value| json!({"query": "fields @message", "log_groups": [GROUP], "minutes": minutes, "until": until});
    for (arguments, code, reason) in [
        (
            named(json!([OTHER])),
            "outside_allow_list",
            "not one that the operator has allowed",
        ),
        (
            named(json!([GROUP, OTHER])),
            "outside_allow_list",
            "not one that the operator has allowed",
        ),
        (
            named(json!(["/aws/rds/cluster/orders/*"])),
            "outside_allow_list",
            "not one",
        ),
        (
            named(json!([format!(
                "arn:aws:logs:eu-central-1:999999999999:log-group:{GROUP}"
            )])),
            "outside_allow_list",
            "not one",
        ),
        (named(json!([])), "invalid_arguments", "at least 1"),
        (named(json!(GROUP)), "invalid_arguments", "log_groups"),
        (timed(json!(1_441), Value::Null), "invalid_arguments", "more than 1440"),
        (timed(json!(181), Value::Null), "invalid_arguments", "more than 180"),
        (timed(json!(0), Value::Null), "invalid_arguments", "less than 1"),
        (timed(json!(-5), Value::Null), "invalid_arguments", "less than 1"),
        (
            timed(json!(15), json!("9999-12-31T23:59:59Z")),
            "invalid_arguments",
            "future",
        ),
        (
            timed(json!(15), json!("2026-11-22 06:41:00")),
            "invalid_arguments",
            "RFC 3339",
        ),
        (
            timed(json!(15), json!("1970-01-01T00:00:00Z")),
            "invalid_arguments",
            "before all logs",
        ),
        (
            json!({"query": "fields x", "log_groups": [GROUP], "start": 0}),
            "invalid_arguments",
            "unknown argument",
        ),
        (
            json!({"query": "fields x", "log_groups": [GROUP], "region": "us-east-1"}),
            "invalid_arguments",
            "unknown argument",
        ),
        (
            json!({"query": "fields x", "log_groups": [GROUP], "max_rows": 501}),
            "invalid_arguments",
            "more than 500",
        ),
        (
            json!({"query": "fields x", "log_groups": [GROUP], "language": "CWLI"}),
            "invalid_arguments",
            "language",
        ),
        (
            json!({"query": "x".repeat(10_001), "log_groups": [GROUP]}),
            "invalid_arguments",
            "at most 10000",
        ),
    ] {
        cases.push((arguments, code, reason));
    }
    assert!(cases.len() >= 100, "{}", cases.len());
    let mut wrong = Vec::new();
    for (arguments, code, reason) in cases {
        let answer = client.call("logs_insights_query", arguments.clone());
        let as_expected = answer
            .as_ref()
            .is_err_and(|refusal| refusal.code() == code && refusal.0["message"].as_str().unwrap().contains(reason));
        if !as_expected {
            wrong.push(format!("{arguments}: expected {code}, {reason}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(standin.requests(), []);
}

#[test]
fn an_answer_from_other_groups_is_withheld_whatever_the_text_said() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let (_folder, mut client) = enabled(&standin);
    let own = format!("arn:aws:logs:eu-central-1:123456789012:log-group:{GROUP}");
    standin.script(json!({"groups_read": [own]}));
    assert!(
        client
            .call("logs_insights_query", query("fields @timestamp, @message"))
            .is_ok()
    );
    for groups in [
        json!([GROUP, OTHER]),
        json!([OTHER]),
        json!([own, format!("arn:aws:logs:eu-central-1:999999999999:log-group:{GROUP}")]),
    ] {
        standin.script(json!({"groups_read": groups}));
        for (tool, arguments) in [
            ("logs_insights_query", query("fields @timestamp, @message")),
            ("postgres_error_summary", orders()),
        ] {
            let refusal = client.call(tool, arguments).unwrap_err();
            assert_eq!(refusal.code(), "outside_allow_list");
            assert!(
                !refusal.0.to_string().contains("deadlock") && !refusal.0.to_string().contains("payroll"),
                "{refusal:?}"
            );
        }
    }
    standin.script(json!({"groups_read": [], "faults": [{"operation": "ListLogGroupsForQuery", "code": "AccessDeniedException", "times": 9}]}));
    assert_eq!(code(client.call("postgres_error_summary", orders())), "access_denied");
}

#[test]
fn a_malformed_query_is_told_with_its_place() {
    let standin = StandIn::start("logs_standin.py");
    standin.script(incident());
    let (_folder, mut client) = enabled(&standin);
    let refusal = client
        .call(
            "logs_insights_query",
            query("fields @message, @timestamp | dedup @message"),
        )
        .unwrap_err();
    assert_eq!(refusal.code(), "invalid_request");
    assert!(
        refusal.0["message"]
            .as_str()
            .unwrap()
            .ends_with("'dedup @message', at characters 31 to 44"),
        "{refusal:?}"
    );
    assert_eq!(
        refusal.0["query"],
        "fields @message, @timestamp\n| dedup @message\n| limit 50"
    );
}

#[test]
fn a_long_answer_is_cut_to_size_and_fields_too() {
    let standin = StandIn::start("logs_standin.py");
    let events: Vec<Value> = (0..200)
        .map(|n| event(100, &line("app@orders", n, &"word ".repeat(190))))
        .collect();
    standin.script(json!({"groups": [GROUP], "events": events}));
    let (_folder, mut client) = enabled(&standin);
    let answer = client
        .call("logs_insights_query", query("fields @message | limit 200"))
        .unwrap();
    assert!(answer.to_string().len() < 30_000);
    assert_eq!(
        (&answer["rows_total"], &answer["truncated"]),
        (&json!(200), &json!(true))
    );
    assert!(answer["rows"][0]["@message"].as_str().unwrap().chars().count() <= 500);
    // Without the operator's configuration the same server takes no query at all.
    let mut bare = Mcp::start(server(BINARY, &[]));
    assert!(
        !bare
            .request("tools/list", json!({}))
            .to_string()
            .contains("logs_insights_query")
    );
}
