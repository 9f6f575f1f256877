-- Subscriptions of this database and their apply workers.
SELECT u.subname AS subscription,
       u.subenabled AS enabled,
       s.pid,
       s.received_lsn::text AS received_lsn,
       floor(extract(epoch FROM clock_timestamp() - s.last_msg_receipt_time))::bigint AS last_message_age_s,
       (SELECT jsonb_object_agg(r.state, r.relations)
        FROM (SELECT CASE p.srsubstate WHEN 'i' THEN 'initialize' WHEN 'd' THEN 'copy' WHEN 'f' THEN 'copied'
                                       WHEN 's' THEN 'synchronized' WHEN 'r' THEN 'ready' ELSE p.srsubstate::text END AS state,
                     count(*) AS relations
              FROM pg_subscription_rel p WHERE p.srsubid = s.subid GROUP BY 1) r) AS relations_by_state,
       count(*) OVER () AS total
FROM pg_stat_subscription s
JOIN pg_subscription u ON u.subname = s.subname
                      AND u.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
WHERE s.relid IS NULL
ORDER BY u.subenabled DESC, u.subname
LIMIT 50
