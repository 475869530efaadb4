-- An order changes its state soon after it came. With room on its page that touches no index.
alter table customer_order set (fillfactor = 50);
