-- Stock by holder and SKU. Every unit that ever came in is in exactly one of the places; the database itself refuses a
-- change that would lose, invent or oversell one.
create table stock (
  holder      text   not null,
  sku         text   not null,
  received    bigint not null default 0 check (received >= 0),
  on_hand     bigint not null default 0 check (on_hand >= 0),
  held        bigint not null default 0 check (held >= 0),
  sold        bigint not null default 0 check (sold >= 0),
  written_off bigint not null default 0 check (written_off >= 0),
  version     bigint not null default 0,
  primary key (holder, sku),
  constraint units_are_conserved check (received = on_hand + held + sold + written_off)
) with (fillfactor = 70);             -- room for updates in place: no index is touched by them

-- One row an order, also where nothing was held: a refusal and a release without a hold are remembered as well, so that
-- a message which was late or came twice can't hold stock for an order that has ended.
create table hold (
  order_id   text primary key,
  holder     text not null,
  status     text not null check (status in ('held', 'sold', 'released', 'expired', 'refused')),
  lines      jsonb not null,          -- [[sku, quantity, version], …]
  shortages  jsonb,
  expires_at timestamptz,
  created_at timestamptz not null default now()
) with (fillfactor = 80);
create index hold_expiring on hold (expires_at) where status = 'held';

-- Every change of a SKU, in the order in which it happened: version has no gaps and no doubles.
create table movement (
  holder    text   not null,
  sku       text   not null,
  version   bigint not null,
  kind      text   not null,
  quantity  bigint not null,
  reference text   not null,
  at        timestamptz not null default now(),
  primary key (holder, sku, version)
);

create table stock_return (
  return_id  text primary key,
  order_id   text not null,
  lines      jsonb not null,
  sellable   boolean not null,
  created_at timestamptz not null default now()
);
create index stock_return_order on stock_return (order_id);
