-- All that was done to an order, a product, a customer: any id out of the path. Most lines of guests and lists have none.
create index audit_entry_target on audit_entry using gin (jsonb_path_query_array(target, '$.*') jsonb_path_ops)
  where target <> '{}';
