-- One row a partition of a topic; its lock makes offsets free of gaps and committed in order.
create table log_partition (
  topic text not null,
  partition smallint not null,
  first_offset bigint not null default 0,
  next_offset bigint not null default 0,
  primary key (topic, partition)
);

create table log_event (
  topic text not null,
  partition smallint not null,
  "offset" bigint not null,
  appended_at timestamptz not null default now(),
  envelope json not null,
  primary key (topic, partition, "offset")
);

-- What each producer appended last. `version` counts its appends: an append that expects another one is refused.
create table log_producer (
  producer text not null,
  partition smallint not null,
  version bigint not null default 0,
  outbox_ids bigint[] not null default '{}',
  primary key (producer, partition)
);

-- Consumer groups. `epoch` moves with every change of members or assignments.
create table log_group (
  name text primary key,
  epoch bigint not null default 0
);

create table log_group_member (
  group_name text not null references log_group on delete cascade,
  member text not null,
  topics text[] not null,
  expires_at timestamptz not null,
  primary key (group_name, member)
);

-- `generation` is the fencing token: it grows each time a partition changes hands.
create table log_group_partition (
  group_name text not null references log_group on delete cascade,
  topic text not null,
  partition smallint not null,
  member text,
  generation bigint not null default 0,
  primary key (group_name, topic, partition)
);
