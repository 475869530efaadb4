-- Who did what at the public door. Rows are added and, years later, removed; never changed.
create table audit_entry (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor_kind text not null,
  actor_id text not null,
  session_id text,
  operation text not null,
  -- What of: ids out of the path, as JSON.
  target jsonb not null,
  status smallint not null,
  source text not null,
  correlation_id text not null
);
create index audit_entry_actor on audit_entry (actor_id, id);
create index audit_entry_operation on audit_entry (operation, id);
-- Finds what is due to be removed without reading the table.
create index audit_entry_at on audit_entry using brin (at);

-- The role that writes here owns the table, so rights can't hold it back: a trigger does.
create function audit_entry_stays() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.at < now() - interval '90 days' then
    return old;
  end if;
  raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_entry_stays before update or delete on audit_entry
  for each row execute function audit_entry_stays();
create trigger audit_entry_stays_whole before truncate on audit_entry
  for each statement execute function audit_entry_stays();
