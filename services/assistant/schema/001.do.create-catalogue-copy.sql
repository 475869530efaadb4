-- The assistant's own copy of what is sold, made from events. Stemmed words of the name weigh most, then those of options,
-- attributes and categories, then those of the description.
create table product_copy (
  id      text primary key,
  version bigint not null,
  body    jsonb not null,
  search  tsvector not null
);
create index product_copy_search on product_copy using gin (search);

-- When everything that the catalogue had told was last known to be read.
create table level (
  id boolean primary key default true check (id),
  at timestamptz not null
);
