-- What a consumer of order events made of them. Nothing here is unique on purpose: an event applied twice must show.
create table applied (
  id       bigint generated always as identity primary key,
  event_id text not null,
  order_id text not null,
  type     text not null
);
create table order_view (
  order_id text primary key,
  state    text not null,
  events   int not null
);
