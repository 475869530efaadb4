-- One payment an order. The row is committed before the provider is called, so that no call can be made of which we do
-- not know; an order called off before its payment was requested leaves a row too, so that a late request is refused.
create table payment (
  order_id       text primary key,
  status         text not null check (status in ('requested', 'authorized', 'declined', 'captured', 'voiding', 'voided')),
  amount_minor   bigint not null check (amount_minor >= 0),
  currency       text not null,
  method         text not null,       -- the provider's token; card data never comes here
  provider_ref   text,
  captured_minor bigint not null default 0 check (captured_minor between 0 and amount_minor),
  refunded_minor bigint not null default 0 check (refunded_minor between 0 and captured_minor),
  decline        jsonb,
  created_at     timestamptz not null default now()
) with (fillfactor = 70);             -- room for updates in place: no index is touched by them

create table refund (
  refund_id    text primary key,
  order_id     text not null references payment,
  amount_minor bigint not null check (amount_minor > 0),
  status       text not null check (status in ('requested', 'succeeded', 'refused')),
  provider_ref text,
  created_at   timestamptz not null default now()
);
create index refund_order on refund (order_id);
