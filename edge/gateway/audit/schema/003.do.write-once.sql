-- The last batch that each process has written. One whose commit was not answered is sent again, and is not there twice.
create table audit_writer (
  writer text primary key,
  batch  bigint not null,
  at     timestamptz not null
);
