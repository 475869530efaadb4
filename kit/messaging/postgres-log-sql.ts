/** Statements of the PostgreSQL log. */

export const createTopicSql = `
  insert into log_partition (topic, partition) select $1, generate_series(0, $2::integer - 1) on conflict do nothing`;

export const createProducerSql = `
  insert into log_producer (producer, partition) select $1, generate_series(0, $2::integer - 1) on conflict do nothing`;

export const lastAppendsSql = `
  select partition, version, outbox_ids from log_producer where producer = $1`;

/** Compare and swap: whoever expects another version has missed an append, and its rows may be in the log already. */
export const acceptSql = `
  update log_producer p set version = p.version + 1, outbox_ids = a.outbox_ids::bigint[]
  from unnest($2::smallint[], $3::bigint[], $4::text[]) as a (partition, version, outbox_ids)
  where p.producer = $1 and p.partition = a.partition and p.version = a.version
  returning p.partition`;

/** Locked until commit and always in the same order: offsets are committed in order, and writers can't deadlock. */
export const lockPartitionsSql = `
  select partition, next_offset from log_partition where topic = $1 and partition = any ($2::smallint[])
  order by partition for update`;

/** Rows, new offsets and one notification for the whole batch in one round trip. */
export const insertSql = `
  with inserted as (
    insert into log_event (topic, partition, "offset", envelope)
    select $1, e.partition, e."offset", e.envelope
    from rows from (unnest($2::smallint[]), unnest($3::bigint[]), json_array_elements($4::text::json))
      as e (partition, "offset", envelope)
  ), moved as (
    update log_partition p set next_offset = m.next_offset
    from unnest($5::smallint[], $6::bigint[]) as m (partition, next_offset)
    where p.topic = $1 and p.partition = m.partition
  )
  select pg_notify($7, $8)`;

export const readSql = `
  select e.topic, e.partition, e."offset", e.envelope
  from unnest($1::text[], $2::smallint[], $3::bigint[]) with ordinality as r (topic, partition, from_offset, place)
  cross join lateral (
    select * from log_event l
    where l.topic = r.topic and l.partition = r.partition and l."offset" >= r.from_offset
    order by l."offset" limit $4
  ) e
  order by r.place, e."offset" limit $5`;

export const boundsSql = `
  select topic, partition, first_offset, next_offset from log_partition where topic = any ($1::text[])
  order by topic, partition`;

/** Only ever a prefix: times of neighbouring events may be out of order by the length of a transaction. */
export const sweepSql = `
  with locked as (
    select topic, partition, next_offset from log_partition where topic = $1 order by partition for update
  ), candidate as (
    select e.partition, e."offset", bool_and(e.is_old) over (partition by e.partition order by e."offset") as goes
    from locked p cross join lateral (
      select l.partition, l."offset",
        coalesce(l.appended_at < now() - make_interval(secs => $2::double precision), false)
        or coalesce(l."offset" < p.next_offset - $3::bigint, false) as is_old
      from log_event l where l.topic = p.topic and l.partition = p.partition
      order by l."offset" limit $4
    ) e
  ), removed as (
    delete from log_event l using candidate c
    where c.goes and l.topic = $1 and l.partition = c.partition and l."offset" = c."offset"
    returning l.partition, l."offset"
  ), moved as (
    update log_partition p set first_offset = greatest(p.first_offset, r.last_offset + 1)
    from (select partition, max("offset") as last_offset from removed group by partition) r
    where p.topic = $1 and p.partition = r.partition
  )
  select count(*)::integer as count from removed`;
