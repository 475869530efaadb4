-- Refunds and the cancellation are kept beside the returns, each with its key and when it happened.
alter table customer_order
  add column refunds      jsonb not null default '[]',
  add column cancellation jsonb;

-- An imported document is one order for ever: results of requests are forgotten after days, books are not.
create unique index customer_order_import on customer_order (business_key) where channel = 'import';
