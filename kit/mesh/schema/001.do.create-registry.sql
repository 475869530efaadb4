-- Who is there. Small and busy: a row a process, renewed every second or two.
create table mesh_instance (
  process text primary key,
  start_id text not null,
  services text[] not null,
  host text not null,
  port integer not null,
  operator_port integer not null,
  zone text not null,
  expires_at timestamptz not null
) with (fillfactor = 50);

create table mesh_revocation (
  serial text primary key,
  kept_until timestamptz not null
);
