create table endpoint (
  id                text primary key,                    -- whe_…
  url               text not null,
  description       text,
  types             text[] not null,                     -- none: of all
  enabled           boolean not null default true,
  disabled_why      text,                                -- when it was disabled by itself
  failing_since     timestamptz,                         -- the first failure after the last success
  secret_sealed     bytea not null,                      -- AES-256-GCM under a key that is not in this database
  old_secret_sealed bytea,                               -- signs beside it until then
  old_secret_until  timestamptz,
  rotated_at        timestamptz,
  made_by           text not null unique,                -- caller and idempotency key: a repeat finds it
  version           int not null default 1,
  created_at        timestamptz not null default now()
);

-- What is said, once, whoever it is said to.
create table message (
  id         text primary key,                           -- webhook-id
  type       text not null,
  key        text not null,
  payload    text not null,                              -- to the letter, as it is signed
  created_at timestamptz not null default now()
);

-- One message to one endpoint, tried until it is answered with 2xx or given up.
create table delivery (
  id              text primary key,                      -- whd_…
  endpoint_id     text not null references endpoint on delete cascade,
  message_id      text not null references message,
  -- `event`, or who asked for it: a test, a replay. With endpoint and message it happens once.
  cause           text not null,
  replay_of       text,
  status          text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
  attempts        int not null default 0,
  next_attempt_at timestamptz not null default now(),
  lease_owner     text,
  leased_until    timestamptz,
  created_at      timestamptz not null default now(),
  ended_at        timestamptz,
  unique (endpoint_id, message_id, cause)
);
create index delivery_due on delivery (endpoint_id, next_attempt_at) where status = 'pending';
create index delivery_by_endpoint on delivery (endpoint_id, id);
create index delivery_by_status on delivery (status, id);
create index delivery_by_message on delivery (message_id);
create index delivery_replays on delivery (endpoint_id, replay_of) where replay_of is not null;
create index delivery_ended on delivery (ended_at) where status <> 'pending';

create table attempt (
  delivery_id text not null references delivery on delete cascade,
  number      int not null,
  at          timestamptz not null,
  duration_ms double precision not null,
  status      int,
  answer      text,
  error       text,
  primary key (delivery_id, number)
);
