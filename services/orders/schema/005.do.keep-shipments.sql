-- What was sent of an order, oldest first; null: nothing yet, as with most orders most of the time.
alter table customer_order
  add column shipments jsonb,
  drop constraint customer_order_state_check,
  -- Every state there was is still one: nothing to read the table for.
  add constraint customer_order_state_check check (state in
    ('received', 'confirmed', 'fulfilled', 'completed', 'refused', 'cancelling', 'cancelled', 'returned')) not valid;
