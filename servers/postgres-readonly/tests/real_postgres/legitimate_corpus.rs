//! Every diagnostic statement of the corpus must be answered, in the database that is full of traps.

use serde_json::json;

use crate::{
    corpus::{self, Statement, TIES},
    mcp::{self, Mcp},
    scene::READER,
    trapped::Trapped,
};

/// Of a hundred statements, so many may be refused; each refusal says why and what to write instead.
const MAX_REFUSED_PERCENT: usize = 1;
const MAX_REFUSED_PERCENT_TIED: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn diagnostic_statements_are_answered_among_the_traps() {
    let scene = Trapped::start().await;
    scene.release().await;
    let admin = scene.cluster.connect("postgres", "admin").await;
    for sql in [
        mcp::stdout(&["setup-sql", "--role", READER], &[]).1.as_str(),
        "GRANT pg_monitor, pg_read_all_data, pg_stat_scan_tables TO reader",
        // The role is proven harmless: what would run as somebody else must not be within its reach.
        "DO $$DECLARE f regprocedure; BEGIN
             FOR f IN SELECT oid FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace LOOP
                 EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
             END LOOP;
         END$$",
    ] {
        admin.batch_execute(sql).await.unwrap();
    }
    let statements = corpus::legitimate();
    assert!(statements.len() >= 220);
    let refused = refused(&scene, &statements).await;
    assert!(
        refused * 100 <= statements.len() * MAX_REFUSED_PERCENT,
        "{refused} refused"
    );
    // A superuser made casts between built-in types that run code: what could meet one is refused, not more.
    assert!(scene.tie(TIES).await);
    let refused = self::refused(&scene, &statements).await;
    assert!(
        refused * 100 <= statements.len() * MAX_REFUSED_PERCENT_TIED,
        "{refused} refused"
    );
}

async fn refused(scene: &Trapped, statements: &[Statement]) -> usize {
    let mut mcp = Mcp::start(&scene.cluster.dsn(READER), &[]).await;
    let mut refused = 0;
    for statement in statements {
        let answer = mcp.call("query", json!({"sql": statement.line})).await;
        if answer.get("code").is_some() {
            refused += 1;
            let (message, hint) = (&answer["message"], &answer["hint"]);
            println!(
                "[{}] {:.200}\n    {}: {message} {hint}",
                statement.category, statement.line, answer["code"]
            );
        }
    }
    println!("{} statements, {refused} refused", statements.len());
    refused
}
