-- Letters about an account belong to no order.
alter table notification alter column order_id drop not null;
alter table notification add column user_id text;
-- The reset whose one-time token is put into the mail while it is sent; the token itself is never here.
alter table notification add column reset_id text;
