-- One row a cart, with all that is in it: an edit is one row update, whatever it changes.
create table cart (
  id              text primary key,
  customer_id     text unique,               -- null: a guest's, whoever knows the id
  version         bigint not null default 1, -- grows with every change
  round           int    not null default 1, -- number of the next checkout
  currency        text   not null,
  destination     jsonb,
  shipping_method text,
  codes           jsonb  not null default '[]',
  lines           jsonb  not null,           -- an observed-remove map, see lines.ts
  joined_into     text,                      -- the cart that this one's items went to when its guest signed in
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now()
) with (fillfactor = 70);

-- One row for each round of a cart: the order as it will be placed, written before orders is asked. What was accepted here
-- reaches orders sooner or later, under one business key.
create table checkout (
  business_key text primary key,             -- <cart>.<round>
  cart_id      text  not null,
  round        int   not null,
  state        text  not null check (state in ('saved', 'placed', 'confirmed', 'refused')),
  fingerprint  text  not null,               -- of what the shopper sent
  request      jsonb,                        -- the order; gone once it is decided
  totals       jsonb not null,
  seen         jsonb not null,               -- what of the cart it orders
  codes        jsonb not null,               -- promotions that count it as a use
  customers    jsonb not null,               -- for whom they count it
  order_id     text,
  order_state  text,
  reason       jsonb,
  started_at   timestamptz not null,
  try_at       timestamptz not null default now()
) with (fillfactor = 70);
create index checkout_open on checkout (try_at) where state in ('saved', 'placed');

create table promotion (
  code text primary key,
  body jsonb  not null,
  used bigint not null default 0 check (used >= 0)
);
-- How often a customer has used a promotion: counted in the transaction that accepts the checkout.
create table promotion_use (
  code     text   not null,
  customer text   not null,                  -- user id, or e-mail in lower case
  used     bigint not null check (used >= 0),
  primary key (code, customer)
);

create table tax_rule (
  country text not null,
  region  text not null default '',          -- '': the whole country
  body    jsonb not null,
  primary key (country, region)
);
create table tax_class (
  sku       text primary key,
  tax_class text not null
);
create table shipping_method (
  id   text primary key,
  body jsonb not null
);
