-- So that nobody overwrites what somebody else has changed meanwhile. Of a promotion by itself; of the rules that totals are
-- computed by all together: they are few, and seldom changed.
alter table promotion add column version int not null default 1;
create table pricing_version (
  one     boolean primary key default true check (one),
  version int not null
);
insert into pricing_version (version) values (0);
