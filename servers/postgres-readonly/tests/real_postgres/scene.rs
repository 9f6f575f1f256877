//! What several tests start from.

use crate::{
    cluster::{Cluster, Pg, eventually},
    mcp,
};

pub const READER: &str = "reader";

/// A cluster with a table and the role that `setup-sql` prints, which may also read tables.
pub async fn with_reader() -> (Cluster, Pg) {
    with_reader_and(&[]).await
}

/// The same, with lines for the configuration file.
pub async fn with_reader_and(settings: &[&str]) -> (Cluster, Pg) {
    let cluster = Cluster::start(settings).await;
    let admin = cluster.connect("postgres", "admin").await;
    admin
        .batch_execute(&mcp::stdout(&["setup-sql", "--role", READER], &[]).1)
        .await
        .unwrap();
    admin
        .batch_execute(
            "GRANT pg_read_all_data TO reader;
             CREATE TABLE public.orders (id int PRIMARY KEY, state text NOT NULL DEFAULT 'new');
             INSERT INTO public.orders SELECT g FROM generate_series(1, 100) g;
             CREATE TABLE public.items (id int PRIMARY KEY)",
        )
        .await
        .unwrap();
    (cluster, admin)
}

/// Uses up so many transaction ids.
pub async fn burn_transactions(admin: &Pg, transactions: u32) {
    let burn =
        format!("DO $$BEGIN FOR i IN 1..{transactions} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$");
    admin.batch_execute(&burn).await.unwrap();
}

/// Waits until so many sessions wait for a lock.
pub async fn waiting(admin: &Pg, sessions: i64) {
    eventually("sessions wait", async || {
        let row = admin
            .query_one("SELECT count(*) FROM pg_locks WHERE NOT granted", &[])
            .await
            .unwrap();
        row.get::<_, i64>(0) == sessions
    })
    .await;
}
/// Code that somebody left in the database.
pub const TRAPS: &str = "
    CREATE SEQUENCE public.numbers;
    CREATE MATERIALIZED VIEW public.totals AS SELECT count(*) FROM public.orders;
    CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql VOLATILE AS $$BEGIN PERFORM pg_advisory_lock(666); RETURN 1; END$$;
    CREATE FUNCTION public.evil_of(public.orders) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';
    CREATE FUNCTION public.evil_check(text) RETURNS bool LANGUAGE sql AS 'SELECT public.evil() = 1';
    CREATE FUNCTION public.evil_operator(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';
    CREATE FUNCTION public.evil_step(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.evil()';
    CREATE AGGREGATE public.evil_sum(int) (SFUNC = public.evil_step, STYPE = int, INITCOND = '0');
    CREATE PROCEDURE public.evil_procedure() LANGUAGE sql AS 'DELETE FROM public.orders';
    CREATE OPERATOR public.<~> (LEFTARG = int, RIGHTARG = int, FUNCTION = public.evil_operator);
    CREATE DOMAIN public.evil_domain AS text CHECK (public.evil_check(VALUE));
    CREATE VIEW public.evil_view AS SELECT pg_advisory_lock(667)::text AS got, o.id FROM public.orders o WHERE o.id = 1;
    CREATE VIEW public.view_of_evil_view AS SELECT v.id FROM public.evil_view v WHERE v.got IS NOT NULL;
    CREATE TABLE public.guarded (id int);
    INSERT INTO public.guarded VALUES (1);
    ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY evil ON public.guarded USING (public.evil() = 1);
    CREATE TYPE public.mood AS ENUM ('good', 'bad');
    CREATE TABLE public.days (day date, mood public.mood);
    INSERT INTO public.days VALUES ('2026-01-01', 'good');
    CREATE VIEW public.good_days AS SELECT d.day, lower(d.mood::text) AS mood FROM public.days d WHERE d.mood = 'good'::public.mood;
    CREATE EXTENSION dblink;
    CREATE EXTENSION pg_stat_statements";
