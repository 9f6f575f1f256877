//! What cannot be undercut: one READ ONLY transaction through tokio-postgres, all its statements in one flight.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_postgres::{NoTls, Row, types::Type};

/// Returns p50 and p99 in milliseconds of each statement, with the rows turned into JSON text.
pub async fn measure(dsn: &str, statements: [&str; 2], time: Duration) -> Vec<(String, [f64; 2])> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut figures = Vec::new();
    for (name, sql) in ["SELECT 1", "1000 rows"].iter().zip(statements) {
        let mut times = Vec::new();
        let until = Instant::now() + time;
        while Instant::now() < until {
            let started = Instant::now();
            let (begun, rows, ended) = tokio::join!(
                client.batch_execute("BEGIN READ ONLY"),
                client.query_typed(sql, &[]),
                client.batch_execute("ROLLBACK")
            );
            begun.unwrap();
            ended.unwrap();
            let rows: Vec<Vec<Value>> = rows.unwrap().iter().map(json).collect();
            std::hint::black_box(serde_json::to_string(&rows).unwrap());
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        figures.push((format!("floor: tokio-postgres, {name} p50/p99"), [at(0.5), at(0.99)]));
    }
    figures
}

fn json(row: &Row) -> Vec<Value> {
    let cell = |at: usize, r#type: &Type| match *r#type {
        Type::INT4 => row.get::<_, i32>(at).into(),
        Type::BOOL => row.get::<_, bool>(at).into(),
        Type::TEXT => row.get::<_, String>(at).into(),
        Type::TIMESTAMPTZ => row.get::<_, chrono::DateTime<chrono::Utc>>(at).to_rfc3339().into(),
        _ => Value::Null,
    };
    row.columns()
        .iter()
        .enumerate()
        .map(|(at, column)| cell(at, column.type_()))
        .collect()
}
