create table till (
  id              text primary key,          -- till_…; also the holder of its share in inventory
  name            text not null,
  currency        text not null,
  country         text not null,
  state           text not null default 'waiting' check (state in ('waiting', 'enrolled', 'revoked')),
  device          text,
  key_hash        text,                      -- of the enrolled device's secret
  code_hash       text unique,               -- of the code that is waiting for a device
  code_expires_at timestamptz,
  last_seen_at    timestamptz,
  created_at      timestamptz not null default now()
);

-- What happened at tills, as they told it. An entry never changes; everything else is reckoned from them.
create table entry (
  till_id     text   not null references till,
  seq         bigint not null,
  kind        text   not null,
  session_id  text   not null,
  sale_id     text,                          -- of a sale, and of a return the sale that it is of
  body        jsonb  not null,
  totals      jsonb,                         -- of a sale, computed here
  at          timestamptz not null,          -- by the till's clock
  received_at timestamptz not null default now(),
  settled     boolean not null,              -- whether inventory and payments have heard of it
  primary key (till_id, seq)
);
create unique index entry_sale on entry (sale_id) where kind = 'sale';
create index entry_return on entry (sale_id) where kind = 'return';
create index entry_session on entry (till_id, session_id, seq);
create index entry_open on entry (till_id, seq) where not settled;

create table conflict (
  id      bigint generated always as identity primary key,
  till_id text   not null,
  seq     bigint not null,
  kind    text   not null,
  detail  text   not null,
  data    jsonb,
  at      timestamptz not null default now(),
  unique (till_id, seq, kind)
);

-- Taxes as carts last told them, for when it is away.
create table known_rules (
  id   boolean primary key default true check (id),
  body jsonb not null
);
