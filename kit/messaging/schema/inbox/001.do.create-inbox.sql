-- How far a consumer group has come. Moves in the transaction of the effects, only forward, and only for the holder
-- of the newest generation.
create table inbox_position (
  group_name text not null,
  topic text not null,
  partition smallint not null,
  next_offset bigint not null,
  generation bigint not null,
  -- How often the event at next_offset has failed.
  attempts integer not null default 0,
  updated_at timestamptz not null default now(),
  primary key (group_name, topic, partition)
) with (fillfactor = 50);

create table dead_letter (
  id bigint generated always as identity primary key,
  group_name text not null,
  topic text not null,
  partition smallint not null,
  "offset" bigint not null,
  key text not null,
  event_id text not null,
  type text not null,
  envelope json not null,
  -- parked: nothing is wrong with it, but an earlier event of its key is here.
  status text not null check (status in ('failed', 'parked')),
  cause text,
  stack text,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  unique (group_name, topic, partition, "offset")
);
create index dead_letter_by_key on dead_letter (group_name, key, id);

-- Keys whose later events wait behind a dead letter. Consumers and replays lock the row, so neither overtakes.
create table dead_letter_key (
  group_name text not null,
  key text not null,
  primary key (group_name, key)
);
