-- From which number of units on the shop's own shelf staff want to hear. Apart from the stock, which orders are in a hurry for.
create table stock_alarm (
  sku        text primary key,
  low_at     bigint not null check (low_at >= 0),
  email      text,
  is_low     boolean not null default false,
  changed_at timestamptz not null default now()
);
