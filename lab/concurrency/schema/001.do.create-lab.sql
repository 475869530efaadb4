-- What the lab's own handlers write: the effects that the guarantees speak of. No constraint helps them: that an effect
-- is there once is what is looked at.
create table lab_effect (
  id   bigint generated always as identity primary key,
  key  text not null,
  what text not null
);

-- A row whose lock puts the events of one key in the order of their commits, as rows of a service do.
create table lab_counter (
  key text primary key,
  n   bigint not null default 0
);

-- Lists that are appended to and read: from what readers saw the order of all transactions can be told.
create table lab_list (
  key  text primary key,
  list bigint[] not null default '{}'
);

-- How far a relay has come that goes by a cursor: one of the planted bugs does.
create table lab_cursor (
  name text primary key,
  last bigint not null
);

-- Writes down each takeover among the effects of the saga, under the row's lock: so it is known which came first.
create function lab_note_takeover() returns trigger language plpgsql as $$
begin
  insert into lab_effect (key, what) values (new.id, json_build_object('fence', new.fence)::text);
  return null;
end $$;
create trigger lab_takeover after update on saga for each row when (new.fence > old.fence)
  execute function lab_note_takeover();
