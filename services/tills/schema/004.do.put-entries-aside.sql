-- What is refused again and again stands aside, so that the entries after it need not wait; it is told again from time to time.
alter table entry add column failures int not null default 0;
alter table entry add column failing_since timestamptz;
alter table entry add column try_at timestamptz not null default now();
