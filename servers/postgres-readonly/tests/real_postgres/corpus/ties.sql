-- Code tied to what is built in, as only a superuser can: no name in a statement shows what it runs. To be run after
-- traps.sql.
CREATE CAST (macaddr AS inet) WITH FUNCTION public.evil_macaddr_to_inet(macaddr) AS IMPLICIT;
CREATE CAST (date AS int) WITH FUNCTION public.evil_date_to_int(date) AS ASSIGNMENT;
CREATE CAST (inet AS bigint) WITH FUNCTION public.evil_inet_to_bigint(inet);
CREATE CAST (point AS text) WITH FUNCTION public.evil_point_to_text(point) AS IMPLICIT;
CREATE FUNCTION public.evil_macaddr8_to_boolean(macaddr8) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('cast to boolean'); RETURN true; END$$;
CREATE CAST (macaddr8 AS boolean) WITH FUNCTION public.evil_macaddr8_to_boolean(macaddr8) AS ASSIGNMENT;
CREATE FUNCTION public.evil_in_range(timestamptz, timestamptz, int, bool, bool) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('in_range'); RETURN true; END$$;
ALTER OPERATOR FAMILY datetime_ops USING btree ADD FUNCTION 3 (timestamptz, int) public.evil_in_range(timestamptz, timestamptz, int, bool, bool);
CREATE FUNCTION public.evil_point_compare(point, point) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('comparison of points'); RETURN 0; END$$;
CREATE FUNCTION public.evil_point_bool(point, point) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('operator on points'); RETURN true; END$$;
CREATE OPERATOR public.<# (LEFTARG = point, RIGHTARG = point, FUNCTION = public.evil_point_bool);
CREATE OPERATOR public.=# (LEFTARG = point, RIGHTARG = point, FUNCTION = public.evil_point_bool);
CREATE OPERATOR CLASS public.point_ops DEFAULT FOR TYPE point USING btree AS OPERATOR 1 public.<#, OPERATOR 3 public.=#, FUNCTION 1 public.evil_point_compare(point, point);
CREATE FUNCTION public.evil_point_hash(point) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.spring('hash of a point'); RETURN 0; END$$;
CREATE OPERATOR CLASS public.point_hash DEFAULT FOR TYPE point USING hash AS OPERATOR 1 public.=#, FUNCTION 1 public.evil_point_hash(point);
