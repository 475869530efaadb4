-- Events that are committed but not yet in the log. Written in the transaction of their cause, deleted once relayed.
-- `json`, not `jsonb`: the text goes through untouched, and writing costs a check of syntax only.
create table outbox (
  id bigint generated always as identity,
  partition smallint not null,
  key text not null,
  envelope json not null,
  primary key (partition, id)
);

-- A queue lives from being vacuumed: look at it after a thousand changes, whatever its size.
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Who relays a partition just now. Only a courtesy between relays; exactness comes from the log's producer version.
create table outbox_partition (
  partition smallint primary key,
  relay text,
  leased_until timestamptz
);
insert into outbox_partition (partition) select generate_series(0, 15);

-- Tells this outbox from every other one, also from an earlier one of the same service whose ids began at 1 too.
create table outbox_identity (
  only_row boolean primary key default true check (only_row),
  id uuid not null default gen_random_uuid()
);
insert into outbox_identity default values;
