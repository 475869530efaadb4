-- What staff said about a receipt or an adjustment. Its reference is the key it was booked under, and movements carry it
-- too: a key is one change for ever, also when the answer to its first use has been forgotten.
create table stock_change (
  reference   text primary key,
  kind        text not null check (kind in ('receipt', 'adjustment')),
  fingerprint text,                   -- null: booked before fingerprints were kept
  reason      text,
  note        text,
  occurred_at timestamptz,
  created_at  timestamptz not null default now()
);

insert into stock_change (reference, kind, created_at)
select reference, min(case kind when 'receive' then 'receipt' else 'adjustment' end), min(at)
from movement
where kind in ('receive', 'find', 'write-off') and not exists (
  select from stock_return where stock_return.return_id = movement.reference)
group by reference;
