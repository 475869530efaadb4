-- One row a business operation. It is inserted in the transaction of the effect, so there is never one without the other.
create table idempotency_key (
  scope       text not null,          -- who asked: one caller can't see another's result
  key         text not null,
  fingerprint text not null,          -- of the payload: the same key with another payload is refused
  reference   text,                   -- what the operation makes, known from the start: where to look while it runs
  result      json,                   -- null while the operation is under way
  created_at  timestamptz not null default now(),
  primary key (scope, key)
);
create index idempotency_key_created on idempotency_key using brin (created_at);
