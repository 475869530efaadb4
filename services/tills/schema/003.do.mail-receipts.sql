-- Receipts that were asked for by mail: one an address, however often somebody presses.
create table receipt_mail (
  sale_id text not null,
  email   text not null,
  at      timestamptz not null default now(),
  primary key (sale_id, email)
);
