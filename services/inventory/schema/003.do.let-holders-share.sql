-- Stock has holders: the shop itself (main) and each till. What one hands to another leaves its books as sent and comes
-- into the other's as arrived; over all holders the difference is what is on the way.
alter table stock
  add column sent    bigint not null default 0 check (sent >= 0),
  add column arrived bigint not null default 0 check (arrived >= 0),
  drop constraint units_are_conserved,
  add constraint units_are_conserved check (received + arrived = on_hand + held + sold + written_off + sent);

-- One row for each transfer, sale and return of a holder, for ever: told again, days later, it is the same one.
create table share_change (
  reference   text primary key,
  kind        text not null check (kind in ('transfer', 'sell', 'take-back')),
  fingerprint text not null,
  result      jsonb not null,
  created_at  timestamptz not null default now()
);
