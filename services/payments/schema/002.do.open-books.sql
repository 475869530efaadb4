-- Money that belongs to no order. Once booked an entry never changes.
create table book_entry (
  key         text primary key,
  fingerprint text not null,
  currency    text not null,
  country     text,
  occurred_at timestamptz not null,
  lines       jsonb not null,
  total_minor bigint not null,
  created_at  timestamptz not null default now()
);

-- Tells these books from all others, whatever address they are reached at.
create table books (
  id        uuid not null default gen_random_uuid(),
  is_only   boolean primary key default true check (is_only),
  opened_at timestamptz not null default now()
);
insert into books default values;
