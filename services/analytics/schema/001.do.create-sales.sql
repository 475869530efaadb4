-- Figures are sums, so that events may be counted in any order. Times are those at which orders were placed.
create table sales_hour (
  hour timestamptz not null,
  currency text not null,
  country text not null,
  channel text not null,
  orders bigint not null default 0,
  units bigint not null default 0,
  gross_minor bigint not null default 0,
  refunded_minor bigint not null default 0,
  returned_units bigint not null default 0,
  cancelled_orders bigint not null default 0,
  refused_orders bigint not null default 0,
  primary key (hour, currency, country, channel)
);

create table sales_product (
  day timestamptz not null,
  currency text not null,
  sku text not null,
  units bigint not null default 0,
  gross_minor bigint not null default 0,
  returned_units bigint not null default 0,
  primary key (currency, day, sku)
);

-- The name in the latest order that has the product.
create table product_name (
  sku text primary key,
  name text not null,
  placed_at timestamptz not null
);
