create table customer_order (
  id               text primary key,
  customer_id      text,
  email            text not null,
  channel          text not null,
  currency         text not null,
  total_minor      bigint not null check (total_minor >= 0),
  country          text,
  lines            jsonb not null,
  shipping_address jsonb,
  state            text not null check (state in ('received', 'confirmed', 'refused', 'cancelling', 'cancelled', 'returned')),
  reason           jsonb,
  refunded_minor   bigint not null default 0 check (refunded_minor between 0 and total_minor),
  returns          jsonb not null default '[]',
  -- Under which key it was placed, and by whom: the answer to a repeat is stored there.
  scope            text not null,
  business_key     text not null,
  placed_at        timestamptz not null,
  decided_at       timestamptz,
  created_at       timestamptz not null default now()
) with (fillfactor = 80);
create index customer_order_customer on customer_order (customer_id, id) where customer_id is not null;
create index customer_order_email on customer_order (email, id);
