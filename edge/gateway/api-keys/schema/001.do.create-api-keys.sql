-- Keys of programs. A thief of this database learns no key: each is 256 bits of chance, of which the SHA-256 is kept.
create table api_key (
  id            text primary key,                    -- key_…
  name          text not null,
  hash          bytea not null unique check (length(hash) = 32),
  prefix        text not null,                       -- its first characters, to tell keys apart
  role          text not null check (role in ('staff', 'admin')),
  operations    text[] not null,                     -- orders.place, orders.*, *
  reads_only    boolean not null,
  per_second    integer not null,
  created_by    text not null,
  created_at    timestamptz not null,
  expires_at    timestamptz,
  last_used_at  timestamptz,
  revoked_at    timestamptz,
  revoked_by    text
);
