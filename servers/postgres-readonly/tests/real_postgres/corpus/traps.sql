-- What a malicious or careless owner could have left in a database. Run once by a superuser in an empty database.
-- @PORT@ is the server's own port, @DIR@ a folder that it may write to.
--
-- Every trap leaves a trace that neither READ ONLY nor ROLLBACK undoes: a line in the server log, a row written over a
-- loop-back connection, a file, a signal to a bystander, a session-level lock, a setting.

SET check_function_bodies = off;
CREATE ROLE owner LOGIN;
GRANT pg_monitor, pg_signal_backend, pg_read_all_data TO owner;
ALTER SCHEMA public OWNER TO owner;

-- Those that this server has.
DO $$
DECLARE wanted text;
BEGIN
    FOR wanted IN SELECT name FROM pg_available_extensions WHERE name = ANY (ARRAY[
        'dblink', 'postgres_fdw', 'file_fdw', 'pg_trgm', 'hstore', 'citext', 'ltree', 'pgcrypto', 'tablefunc', 'xml2',
        'pg_stat_statements', 'lo', 'uuid-ossp', 'intarray', 'pg_prewarm', 'pgstattuple', 'pageinspect',
        'pg_buffercache', 'pg_freespacemap', 'pg_visibility', 'amcheck', 'pgrowlocks', 'pg_surgery', 'pg_walinspect',
        'btree_gist', 'btree_gin', 'unaccent', 'fuzzystrmatch', 'tsm_system_rows'
    ])
    LOOP
        EXECUTE format('CREATE EXTENSION %I SCHEMA public', wanted);
    END LOOP;
    -- It puts its functions into pg_catalog, where built-ins should be alone.
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'adminpack') THEN
        CREATE EXTENSION adminpack;
    END IF;
END$$;

CREATE TABLE public.sprung (how text, at timestamptz DEFAULT clock_timestamp());
ALTER TABLE public.sprung OWNER TO owner;

-- What springs: one function for each kind of trace.
CREATE FUNCTION public.spring_elsewhere(how text) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM public.dblink_exec(format('host=127.0.0.1 port=@PORT@ user=postgres dbname=%s', current_database()),
                               format('INSERT INTO public.sprung (how) VALUES (%L)', how));
    RETURN 1;
END$$;
CREATE FUNCTION public.spring_file(how text) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    COPY (SELECT 'sprung') TO '@DIR@/sprung_by_copy';
    RETURN 1;
END$$;
CREATE FUNCTION public.spring_program(how text) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    COPY (SELECT 'sprung') TO PROGRAM 'touch @DIR@/sprung_by_program';
    RETURN 1;
END$$;

SET ROLE owner;
CREATE FUNCTION public.spring(how text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE LOG 'trap sprung: %', how;
    RETURN 1;
END$$;
CREATE FUNCTION public.spring_signal(how text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE LOG 'trap sprung: %', how;
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bystander';
    RETURN 1;
END$$;
CREATE FUNCTION public.spring_lock(how text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE LOG 'trap sprung: %', how;
    PERFORM pg_advisory_lock(666);
    RETURN 1;
END$$;
CREATE FUNCTION public.spring_setting(how text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE LOG 'trap sprung: %', how;
    PERFORM set_config('application_name', 'sprung', false), set_config('work_mem', '1GB', false);
    RETURN 1;
END$$;

-- Tables of an honest application.
CREATE TYPE public.mood AS ENUM ('good', 'bad', 'drop');
CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
CREATE DOMAIN public.email AS citext CHECK (VALUE ~ '@');
CREATE TABLE public.customers (
    id int PRIMARY KEY, name text NOT NULL, email public.email, mood public.mood, tags public.hstore, path public.ltree,
    deleted_at timestamptz, last_update timestamptz DEFAULT now()
);
CREATE TABLE public.orders (
    id serial PRIMARY KEY, customer int REFERENCES public.customers, state text NOT NULL DEFAULT 'new', amount numeric(10, 2),
    quantity public.positive, placed date, body jsonb, is_drop boolean DEFAULT false
);
CREATE TABLE public.items (id int PRIMARY KEY, order_id int REFERENCES public.orders, sku text, price numeric);
CREATE INDEX orders_state ON public.orders (state);
CREATE INDEX orders_body ON public.orders USING gin (body);
CREATE INDEX customers_name_trgm ON public.customers USING gin (name public.gin_trgm_ops);
CREATE INDEX customers_lower ON public.customers (lower(name));
INSERT INTO public.customers SELECT g, 'customer ' || g, 'c' || g || '@example.com', 'good', 'a=>1, drop=>2', 'top.delete.update', NULL FROM generate_series(1, 200) g;
INSERT INTO public.orders (customer, state, amount, quantity, placed, body)
    SELECT 1 + g % 200, (ARRAY['new', 'paid', 'update pending', 'deleted'])[1 + g % 4], g * 1.5, 1 + g % 5, date '2026-01-01' + g % 60, jsonb_build_object('k', g, 'drop', 'table')
    FROM generate_series(1, 1000) g;
INSERT INTO public.items SELECT g, 1 + g % 1000, 'sku' || g % 50, g FROM generate_series(1, 2000) g;
CREATE VIEW public.open_orders AS
    SELECT o.id, c.name, o.amount, c.mood FROM public.orders o JOIN public.customers c ON c.id = o.customer WHERE o.state <> 'deleted';
CREATE VIEW public.dropped_orders AS SELECT * FROM public.open_orders WHERE amount > 100;
CREATE MATERIALIZED VIEW public.order_totals AS SELECT state, count(*) AS orders, sum(amount) AS amount FROM public.orders GROUP BY state;
CREATE TABLE public.events (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, kind text, payload jsonb, year int GENERATED ALWAYS AS (2026) STORED)
    PARTITION BY RANGE (at);
CREATE TABLE public.events_2026_01 PARTITION OF public.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.events_2026_02 PARTITION OF public.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO public.events (at, kind) SELECT timestamptz '2026-01-01 00:00Z' + g * interval '1 hour', 'update' FROM generate_series(0, 1000) g;
CREATE TABLE public."Drop Table" ("delete" int, "update" text);
INSERT INTO public."Drop Table" VALUES (1, 'x');
CREATE FUNCTION public.net(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT round(amount / 1.19, 2)';
CREATE FUNCTION public.orders_of(customer_id int) RETURNS SETOF public.orders LANGUAGE sql STABLE AS
    'SELECT * FROM public.orders WHERE customer = customer_id';
CREATE FUNCTION public.total_of(o public.orders) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT o.amount * o.quantity';
CREATE SEQUENCE public.numbers;
CREATE TABLE public.tenants (id int PRIMARY KEY, of_role name);
INSERT INTO public.tenants VALUES (1, 'owner'), (2, 'reader'), (3, 'postgres');
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.tenants USING (of_role = current_user);
CREATE TABLE public.held (id int);
INSERT INTO public.held VALUES (1);

-- Functions.
CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql VOLATILE AS $$BEGIN RETURN public.spring('volatile'); END$$;
CREATE FUNCTION public.evil_stable() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('stable'); END$$;
CREATE FUNCTION public.evil_immutable() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('immutable'); END$$;
CREATE FUNCTION public.evil_immutable(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('immutable of int'); RETURN $1; END$$;
CREATE FUNCTION public.evil_definer() RETURNS int LANGUAGE plpgsql SECURITY DEFINER STABLE AS $$BEGIN RETURN public.spring('definer'); END$$;
CREATE FUNCTION public.evil_sql_definer() RETURNS int LANGUAGE sql SECURITY DEFINER STABLE AS 'SELECT public.spring(''sql definer'')';
CREATE FUNCTION public.evil_sql() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT public.spring(''sql'')';
CREATE FUNCTION public.evil_sql_stable() RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring_lock(''sql stable'')';
CREATE FUNCTION public.evil_sql_immutable() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT public.spring_elsewhere(''sql immutable'')';
CREATE FUNCTION public.evil_sql_deep() RETURNS int LANGUAGE sql STABLE AS 'SELECT public.evil_sql_stable() + 1';
CREATE FUNCTION public.evil_atomic() RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT public.spring('atomic'); END;
CREATE FUNCTION public.evil_atomic_return() RETURNS int LANGUAGE sql STABLE RETURN public.spring('atomic return');
CREATE FUNCTION public.evil_sql_two() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1; SELECT public.spring(''second of two'')';
CREATE FUNCTION public.evil_sql_writes() RETURNS int LANGUAGE sql AS 'DELETE FROM public.orders; SELECT 1';
CREATE FUNCTION public.evil_sql_builtin() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT pg_catalog.nextval(''public.numbers'')';
CREATE FUNCTION public.evil_sql_relation() RETURNS int LANGUAGE sql STABLE AS 'SELECT got FROM public.evil_view';
ALTER FUNCTION public.evil_sql_relation() SET search_path = public;
CREATE FUNCTION public.evil_with_set() RETURNS int LANGUAGE plpgsql STABLE SET work_mem = '8MB' AS $$BEGIN RETURN public.spring('with set'); END$$;
CREATE FUNCTION public.evil_sql_with_set() RETURNS int LANGUAGE sql STABLE SET search_path = shadows, pg_catalog AS 'SELECT length(now()::text)';
CREATE FUNCTION public.evil_variadic(VARIADIC numbers int[]) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('variadic'); END$$;
CREATE FUNCTION public.evil_default(a int, b int DEFAULT public.spring('default argument')) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION public.evil_out(OUT a int, OUT b int) LANGUAGE plpgsql STABLE AS $$BEGIN a := public.spring('out'); b := 2; END$$;
CREATE FUNCTION public.evil_table(n int) RETURNS TABLE (a int) LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('table'); RETURN QUERY SELECT 1; END$$;
CREATE FUNCTION public.evil_rows() RETURNS SETOF public.orders LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('rows'); RETURN QUERY SELECT * FROM public.orders; END$$;
CREATE FUNCTION public.evil_any(anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('anyelement'); RETURN $1; END$$;
CREATE FUNCTION public.evil_of(public.orders) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('column notation'); END$$;
CREATE FUNCTION public.evil_of_sql(public.orders) RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring(''column notation in sql'')';
CREATE FUNCTION public.evil_dynamic(text) RETURNS int LANGUAGE plpgsql STABLE AS $$DECLARE n int; BEGIN EXECUTE $1 INTO n; RETURN n; END$$;
CREATE FUNCTION public.evil_text(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('text'); RETURN $1; END$$;
CREATE FUNCTION public.evil_true(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('true of int'); RETURN true; END$$;
CREATE FUNCTION public.evil_check(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('check'); RETURN true; END$$;
CREATE FUNCTION public.evil_check_sql(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT public.spring_elsewhere(''check in sql'') = 1';
CREATE FUNCTION public."pg_terminate_backend"(text) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN public.spring_signal('named like a built-in'); END$$;
CREATE PROCEDURE public.evil_procedure() LANGUAGE sql AS 'DELETE FROM public.orders';
CREATE PROCEDURE public.evil_commits() LANGUAGE plpgsql AS $$BEGIN COMMIT; DELETE FROM public.items; COMMIT; END$$;
CREATE FUNCTION public.calls_file() RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring_file(''sql'')';
CREATE FUNCTION public.calls_program() RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring_program(''sql'')';
CREATE FUNCTION public.calls_signal() RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring_signal(''sql'')';
CREATE FUNCTION public.calls_setting() RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring_setting(''sql'')';
CREATE FUNCTION public.calls_set_config() RETURNS text LANGUAGE sql STABLE AS 'SELECT set_config(''work_mem'', ''1GB'', false)';
CREATE FUNCTION public.calls_dblink() RETURNS text LANGUAGE sql STABLE AS
    'SELECT public.dblink_exec(''host=127.0.0.1 port=@PORT@ user=postgres dbname='' || current_database(), ''INSERT INTO public.sprung (how) VALUES (1)'')';

-- Overloads of built-in names, found where the built-in one fits less well.
CREATE TYPE public.pair AS (a int, b int);
CREATE FUNCTION public.lower(public.pair) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('lower of pair'); RETURN ''; END$$;
CREATE FUNCTION public.length(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('length of int'); END$$;
CREATE FUNCTION public.abs(text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('abs of text'); END$$;
CREATE FUNCTION public.now(int) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('now of int'); END$$;
CREATE FUNCTION public.pg_relation_filepath(text) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('pg_relation_filepath of text'); RETURN ''; END$$;
CREATE FUNCTION public.pg_table_size(text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('pg_table_size of text'); END$$;
CREATE FUNCTION public.obj_description(text, text) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('obj_description of text'); RETURN ''; END$$;
CREATE FUNCTION public.round(text, int) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('round of text'); END$$;
CREATE FUNCTION public.to_char(int) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('to_char of int'); RETURN ''; END$$;
CREATE FUNCTION public.date_trunc(text, int) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('date_trunc of int'); END$$;
CREATE FUNCTION public.timezone(text, int) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('timezone of int'); END$$;
CREATE FUNCTION public."overlaps"(int, int, int, int) RETURNS bool LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('overlaps of int') = 1; END$$;
CREATE FUNCTION public."substring"(int, int) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('substring of int'); END$$;
CREATE FUNCTION public.like_escape(int, text) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('like_escape of int'); END$$;
CREATE FUNCTION public.xmlexists(text, text) RETURNS bool LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('xmlexists of text') = 1; END$$;
CREATE FUNCTION public.generate_series(text, int) RETURNS SETOF int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN NEXT public.spring('generate_series of text'); END$$;
CREATE FUNCTION public.pg_stat_get_backend_pid(text) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('named like a counter'); END$$;

-- Operators.
CREATE FUNCTION public.evil_int_int(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('operator int int'); END$$;
CREATE FUNCTION public.evil_int_text(int, text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('operator int text') = 1; END$$;
CREATE FUNCTION public.evil_text_int(text, int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('operator text int') = 1; END$$;
CREATE FUNCTION public.evil_text_text(text, text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('operator text text'); RETURN $1; END$$;
CREATE FUNCTION public.evil_pair_int(public.pair, int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('operator pair int'); RETURN ''; END$$;
CREATE FUNCTION public.evil_pair_pair(public.pair, public.pair) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('operator pair pair') = 0; END$$;
CREATE FUNCTION public.evil_pair_compare(public.pair, public.pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('comparison of pairs') - 1; END$$;
CREATE FUNCTION public.evil_pair_hash(public.pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('hash of a pair'); END$$;
CREATE OPERATOR public.<~> (LEFTARG = int, RIGHTARG = int, FUNCTION = public.evil_int_int, COMMUTATOR = OPERATOR(public.<~>));
CREATE OPERATOR public.!! (RIGHTARG = int, FUNCTION = public.evil_immutable);
CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = text, FUNCTION = public.evil_int_text);
CREATE OPERATOR public.<> (LEFTARG = int, RIGHTARG = text, FUNCTION = public.evil_int_text);
CREATE OPERATOR public.<= (LEFTARG = int, RIGHTARG = text, FUNCTION = public.evil_int_text);
CREATE OPERATOR public.>= (LEFTARG = int, RIGHTARG = text, FUNCTION = public.evil_int_text);
CREATE OPERATOR public.< (LEFTARG = text, RIGHTARG = int, FUNCTION = public.evil_text_int);
CREATE OPERATOR public.~~ (LEFTARG = int, RIGHTARG = text, FUNCTION = public.evil_int_text);
CREATE OPERATOR public.~ (LEFTARG = int, RIGHTARG = text, FUNCTION = public.evil_int_text);
CREATE OPERATOR public.+ (LEFTARG = text, RIGHTARG = text, FUNCTION = public.evil_text_text);
CREATE OPERATOR public.|| (LEFTARG = public.pair, RIGHTARG = int, FUNCTION = public.evil_pair_int);
CREATE OPERATOR public.-> (LEFTARG = text, RIGHTARG = text, FUNCTION = public.evil_text_text);
RESET ROLE;
CREATE OPERATOR public.= (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.evil_pair_pair, HASHES, MERGES);
CREATE OPERATOR public.< (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.evil_pair_pair);
CREATE OPERATOR public.<= (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.evil_pair_pair);
CREATE OPERATOR public.> (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.evil_pair_pair);
CREATE OPERATOR public.>= (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.evil_pair_pair);
CREATE OPERATOR CLASS public.pair_ops DEFAULT FOR TYPE public.pair USING btree AS
    OPERATOR 1 public.<, OPERATOR 2 public.<=, OPERATOR 3 public.=, OPERATOR 4 public.>=, OPERATOR 5 public.>,
    FUNCTION 1 public.evil_pair_compare(public.pair, public.pair);
CREATE OPERATOR CLASS public.pair_hash_ops DEFAULT FOR TYPE public.pair USING hash AS
    OPERATOR 1 public.=, FUNCTION 1 public.evil_pair_hash(public.pair);
SET ROLE owner;
CREATE TABLE public.pairs (id int, p public.pair);
INSERT INTO public.pairs VALUES (1, (1, 2)), (2, (3, 4)), (3, (5, 6));

-- Casts.
CREATE FUNCTION public.evil_pair_to_int(public.pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('cast from pair'); END$$;
CREATE FUNCTION public.evil_int_to_pair(int) RETURNS public.pair LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('cast to pair'); RETURN (1, 2)::public.pair; END$$;
CREATE FUNCTION public.evil_int_to_interval(int) RETURNS interval LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('cast from int to interval'); RETURN '1 s'; END$$;
CREATE FUNCTION public.evil_macaddr_to_inet(macaddr) RETURNS inet LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('cast from macaddr to inet'); RETURN '10.0.0.1'; END$$;
CREATE FUNCTION public.evil_date_to_int(date) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('cast from date to int'); END$$;
CREATE FUNCTION public.evil_inet_to_bigint(inet) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('cast from inet to bigint'); END$$;
CREATE FUNCTION public.evil_point_to_text(point) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('cast from point to text'); RETURN ''; END$$;
CREATE TYPE public.evil_mood AS ENUM ('good', 'bad');
CREATE FUNCTION public.evil_mood_to_int(public.evil_mood) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('cast from mood to int'); END$$;
CREATE CAST (public.pair AS int) WITH FUNCTION public.evil_pair_to_int(public.pair) AS IMPLICIT;
CREATE CAST (int AS public.pair) WITH FUNCTION public.evil_int_to_pair(int) AS ASSIGNMENT;
CREATE CAST (public.evil_mood AS int) WITH FUNCTION public.evil_mood_to_int(public.evil_mood) AS IMPLICIT;

-- Types.
CREATE DOMAIN public.evil_domain AS text CHECK (public.evil_check(VALUE));
CREATE DOMAIN public.evil_domain_sql AS text CHECK (public.evil_check_sql(VALUE));
CREATE DOMAIN public.evil_domain_deep AS public.evil_domain;
CREATE DOMAIN public.evil_domain_of_array AS text[] CHECK (public.evil_check(VALUE[1]));
CREATE DOMAIN public.evil_domain_of_pair AS public.pair CHECK (public.evil_immutable((VALUE).a) = (VALUE).a);
CREATE DOMAIN public.evil_domain_late AS int DEFAULT public.spring('domain default') NOT NULL CHECK (VALUE OPERATOR(public.<~>) 1 = 1);
CREATE TYPE public.evil_row AS (a public.evil_domain, b int);
CREATE TYPE public.evil_row_deep AS (r public.evil_row, c public.evil_domain[]);
CREATE FUNCTION public.evil_difference(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('subtype_diff'); END$$;
CREATE TYPE public.evil_range AS RANGE (subtype = public.pair);
CREATE TYPE public.evil_range_of_domain AS RANGE (subtype = public.evil_domain, subtype_opclass = text_ops);
CREATE TYPE public.odd_range AS RANGE (subtype = int, subtype_diff = public.evil_difference);
CREATE TABLE public.odd (id int, r public.evil_row, d public.evil_domain, rs public.odd_range, er public.evil_range);

-- Aggregates.
CREATE FUNCTION public.evil_step(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('aggregate step'); END$$;
CREATE FUNCTION public.evil_final(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('aggregate final'); END$$;
CREATE FUNCTION public.evil_inverse(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$BEGIN RETURN public.spring('aggregate inverse'); END$$;
CREATE AGGREGATE public.evil_sum(int) (SFUNC = public.evil_step, STYPE = int, INITCOND = '0');
CREATE AGGREGATE public.evil_at_end(int) (SFUNC = int4pl, STYPE = int, FINALFUNC = public.evil_final, INITCOND = '0');
CREATE AGGREGATE public.evil_moving(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = public.evil_inverse, MSTYPE = int, MINITCOND = '0');
CREATE AGGREGATE public.evil_ordered(ORDER BY int) (SFUNC = public.evil_step, STYPE = int, INITCOND = '0');
CREATE FUNCTION public.same_domain(public.evil_domain, text) RETURNS public.evil_domain LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE public.evil_start(text) (SFUNC = public.same_domain, STYPE = public.evil_domain, INITCOND = 'x');
CREATE FUNCTION public.evil_pair_step(int, public.pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('aggregate named like a built-in'); END$$;
CREATE AGGREGATE public.count(public.pair) (SFUNC = public.evil_pair_step, STYPE = int, INITCOND = '0');
CREATE AGGREGATE public.product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');

-- Views.
CREATE VIEW public.evil_view AS SELECT public.spring('view') AS got, 1 AS id;
CREATE VIEW public.view_of_evil_view AS SELECT v.id FROM public.evil_view v WHERE v.got IS NOT NULL;
CREATE VIEW public.evil_view_deepest AS SELECT id FROM public.view_of_evil_view LIMIT 1;
CREATE VIEW public.evil_view_lock AS SELECT pg_advisory_lock(667)::text AS got, o.id FROM public.orders o WHERE o.id = 1;
CREATE VIEW public.evil_view_where AS SELECT id FROM public.orders WHERE pg_try_advisory_lock(668);
CREATE VIEW public.evil_view_order AS SELECT id FROM public.orders ORDER BY public.spring('view order') LIMIT 1;
CREATE VIEW public.evil_view_operator AS SELECT id OPERATOR(public.<~>) 1 AS x FROM public.orders;
CREATE VIEW public.evil_view_cast AS SELECT p::int AS x FROM public.pairs;
CREATE VIEW public.evil_view_domain AS SELECT state::public.evil_domain AS x FROM public.orders;
CREATE VIEW public.evil_view_aggregate AS SELECT public.evil_sum(id) AS x FROM public.orders;
CREATE VIEW public.evil_view_lateral AS SELECT f.* FROM public.orders o, LATERAL public.evil_table(o.id) f;
CREATE VIEW public.evil_view_barrier WITH (security_barrier) AS SELECT public.spring('barrier view') AS x;
CREATE VIEW public.evil_view_invoker WITH (security_invoker) AS SELECT public.spring('invoker view') AS x;
CREATE VIEW public.evil_view_signal AS SELECT pg_cancel_backend(pid) AS x FROM pg_stat_activity WHERE application_name = 'sleeper';
CREATE VIEW public.evil_view_for_update AS SELECT * FROM public.orders FOR UPDATE;
CREATE VIEW public.evil_view_sequence AS SELECT nextval('public.numbers') AS x;
CREATE VIEW public.evil_view_distinct AS SELECT DISTINCT p FROM public.pairs;
CREATE VIEW public.evil_view_column AS SELECT o.evil_of AS x FROM public.orders o;
CREATE VIEW public.evil_view_xml AS SELECT query_to_xml('SELECT nextval(''public.numbers'')', true, true, '') AS x;
CREATE VIEW public.evil_view_case AS SELECT CASE WHEN id > 0 THEN public.evil_sql_deep() END AS x FROM public.orders LIMIT 1;
CREATE VIEW public.pg_stat_activity AS SELECT public.spring('shadow of a catalog view') AS pid;
CREATE RECURSIVE VIEW public.evil_view_recursive (n) AS VALUES (1) UNION ALL SELECT n + public.spring('recursive view') FROM evil_view_recursive WHERE n < 2;
CREATE FUNCTION public.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.spring('trigger'); RETURN NEW; END$$;
CREATE TABLE public.triggered (id int DEFAULT public.spring('column default'), twice int GENERATED ALWAYS AS (public.evil_immutable(1)) STORED);
CREATE TRIGGER evil BEFORE INSERT OR UPDATE ON public.triggered FOR EACH ROW EXECUTE FUNCTION public.evil_trigger();
CREATE RULE evil AS ON UPDATE TO public.triggered DO ALSO SELECT public.spring('update rule');

-- Row security.
CREATE TABLE public.guarded (id int);
INSERT INTO public.guarded VALUES (1);
ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY evil ON public.guarded USING (public.spring('policy') = 1);
CREATE TABLE public.guarded_deep (id int);
INSERT INTO public.guarded_deep VALUES (1);
ALTER TABLE public.guarded_deep ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY evil ON public.guarded_deep USING (id IN (SELECT id FROM public.evil_view));
CREATE TABLE public.guarded_by_operator (id int);
INSERT INTO public.guarded_by_operator VALUES (1);
ALTER TABLE public.guarded_by_operator ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY evil ON public.guarded_by_operator FOR SELECT USING (id = 'x'::text);
CREATE VIEW public.view_of_guarded AS SELECT * FROM public.guarded;

-- What the planner evaluates when it only looks at a table.
CREATE TABLE public.indexed (id int);
CREATE INDEX ON public.indexed ((id + public.evil_immutable(7)));
CREATE TABLE public.indexed_partly (id int);
CREATE INDEX ON public.indexed_partly (id) WHERE id > public.evil_immutable(8);
CREATE TABLE public.indexed_sql (id int);
CREATE INDEX ON public.indexed_sql ((id + public.evil_sql_immutable()));
CREATE TABLE public.checked (id int CHECK (id > public.evil_immutable(9)));
CREATE TABLE public.checked_child () INHERITS (public.checked);
CREATE TABLE public.with_statistics (id int, b int);
CREATE STATISTICS public.evil_statistics ON (id + public.evil_immutable(10)), b FROM public.with_statistics;
CREATE TABLE public.parted (id int) PARTITION BY RANGE ((id + public.evil_immutable(11)));
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (100);
CREATE TABLE public.parted_by_pair (p public.pair, id int) PARTITION BY LIST (p);
CREATE TABLE public.parted_by_pair_1 PARTITION OF public.parted_by_pair FOR VALUES IN ('(1,2)');
CREATE TABLE public.parted_with_child (id int) PARTITION BY RANGE (id);
CREATE TABLE public.parted_with_child_1 PARTITION OF public.parted_with_child FOR VALUES FROM (0) TO (100);
CREATE INDEX ON public.parted_with_child_1 ((id * public.evil_immutable(12)));
CREATE TABLE public.not_null_by_function (id int);
INSERT INTO public.not_null_by_function VALUES (1);
ALTER TABLE public.not_null_by_function ADD COLUMN added int DEFAULT public.evil_immutable(13);

-- Bodies that are text, whose names mean what the caller's search path says, and types that come out of them.
SET ROLE owner;
CREATE FUNCTION public.body_column() RETURNS int LANGUAGE sql STABLE AS 'SELECT max(o.evil_of) FROM public.orders o';
CREATE FUNCTION public.body_operator(text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT bool_or(t.id = $1) FROM public.tenants t';
CREATE FUNCTION public.body_alias() RETURNS text LANGUAGE sql STABLE AS 'SELECT max(b::text) FROM (SELECT b FROM public.pairs t (a, b) ORDER BY b) s';
CREATE FUNCTION public.same(anyelement, anyelement) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
CREATE FUNCTION public.id(anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION public.returns_pair() RETURNS public.pair LANGUAGE sql IMMUTABLE AS 'SELECT ROW(1, 2)::public.pair';
CREATE FUNCTION public.returns_rows() RETURNS SETOF public.pairs LANGUAGE sql STABLE AS 'SELECT * FROM public.pairs';
CREATE VIEW public.view_of_pairs AS SELECT id, p FROM public.pairs;
CREATE TYPE public.plain AS (a bigint, b int);
CREATE TABLE public.dates (d date, p point, m macaddr, i inet);
INSERT INTO public.dates VALUES ('2026-01-01', '(1,2)', '08:00:2b:01:02:03', '10.0.0.1');
CREATE FUNCTION public.body_cast() RETURNS int LANGUAGE sql STABLE AS 'SELECT d FROM public.dates';
RESET ROLE;

-- Other servers.
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '@PORT@', dbname 'postgres', use_remote_estimate 'true', application_name 'sprung_foreign');
CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'postgres', password_required 'false', password 'swordfish');
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
GRANT USAGE ON FOREIGN SERVER loop, files TO owner;
CREATE FOREIGN TABLE public.far_view (got int) SERVER loop OPTIONS (schema_name 'public', table_name 'evil_view');
CREATE FOREIGN TABLE public.passwd (line text) SERVER files OPTIONS (filename '/etc/passwd');
CREATE FOREIGN TABLE public.program (line text) SERVER files OPTIONS (program 'touch @DIR@/sprung_by_file_fdw; echo 1');
ALTER FOREIGN TABLE public.far_view OWNER TO owner;
ALTER FOREIGN TABLE public.passwd OWNER TO owner;
ALTER FOREIGN TABLE public.program OWNER TO owner;
CREATE TABLE public.parent (line text);
CREATE FOREIGN TABLE public.foreign_child () INHERITS (public.parent) SERVER files OPTIONS (program 'touch @DIR@/sprung_by_child; echo 1');
CREATE TABLE public.parted_far (line text) PARTITION BY LIST (line);
CREATE FOREIGN TABLE public.parted_far_1 PARTITION OF public.parted_far DEFAULT SERVER files OPTIONS (program 'touch @DIR@/sprung_by_partition; echo 1');
CREATE VIEW public.view_of_far AS SELECT * FROM public.far_view;
ALTER TABLE public.parent OWNER TO owner;
ALTER FOREIGN TABLE public.foreign_child OWNER TO owner;
ALTER TABLE public.parted_far OWNER TO owner;
ALTER FOREIGN TABLE public.parted_far_1 OWNER TO owner;
ALTER VIEW public.view_of_far OWNER TO owner;

-- Somebody put functions where only built-ins should be, and a schema where "$user" finds it first.
SET allow_system_table_mods = on;
CREATE FUNCTION pg_catalog.pg_looks_built_in() RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring(''in pg_catalog'')';
CREATE FUNCTION pg_catalog.abs(public.pair) RETURNS int LANGUAGE sql STABLE AS 'SELECT public.spring(''overload in pg_catalog'')';
CREATE VIEW pg_catalog.pg_looks_like_a_view AS SELECT public.spring('view in pg_catalog') AS x;
CREATE VIEW information_schema.evil_view AS SELECT public.spring('view in information_schema') AS x;
RESET allow_system_table_mods;
CREATE SCHEMA owner AUTHORIZATION owner;
CREATE SCHEMA postgres AUTHORIZATION owner;
CREATE SCHEMA shadows AUTHORIZATION owner;
SET ROLE owner;
CREATE VIEW owner.honest AS SELECT id FROM public.orders WHERE id < 5;
CREATE VIEW owner.mine AS SELECT public.spring('view in the schema of the user') AS x;
CREATE VIEW postgres.mine AS SELECT public.spring('view in the schema of the user') AS x;
CREATE FUNCTION owner.tally() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('function in the schema of the user'); END$$;
CREATE FUNCTION postgres.tally() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('function in the schema of the user'); END$$;
CREATE FUNCTION public.tally() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION shadows.now() RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('shadowed now'); RETURN pg_catalog.now(); END$$;
CREATE FUNCTION shadows.length(text) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN public.spring('shadowed length'); END$$;
CREATE FUNCTION shadows.version() RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM public.spring('shadowed version'); RETURN ''; END$$;
CREATE FUNCTION shadows.plus(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('shadowed plus'); END$$;
CREATE OPERATOR shadows.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = shadows.plus);
CREATE FUNCTION shadows.equals(int, int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN public.spring('shadowed equality') = 1; END$$;
CREATE OPERATOR shadows.= (LEFTARG = int, RIGHTARG = int, FUNCTION = shadows.equals);
CREATE VIEW shadows.pg_stat_activity AS SELECT public.spring('shadowed pg_stat_activity') AS pid;
CREATE VIEW shadows.pg_class AS SELECT public.spring('shadowed pg_class') AS relname;
CREATE DOMAIN shadows.int8 AS bigint CHECK (public.evil_true(1));
CREATE DOMAIN shadows.numeric AS pg_catalog.text CHECK (public.evil_true(1));
CREATE DOMAIN shadows.regclass AS pg_catalog.text CHECK (public.evil_true(1));
CREATE AGGREGATE shadows.count(*) (SFUNC = public.evil_final, STYPE = int, INITCOND = '0');
RESET ROLE;
CREATE ROLE shadowed LOGIN SUPERUSER;
ALTER ROLE shadowed SET search_path = shadows, pg_catalog, public;

SELECT lo_from_bytea(4242, 'swordfish');
ALTER ROLE owner PASSWORD 'swordfish';
GRANT SELECT, UPDATE ON LARGE OBJECT 4242 TO owner;
CREATE FUNCTION public.evil_event() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.spring('event trigger'); END$$;
CREATE EVENT TRIGGER evil ON ddl_command_start EXECUTE FUNCTION public.evil_event();
