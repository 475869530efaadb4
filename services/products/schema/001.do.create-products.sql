-- The truth: one row a product. `body` is what people wrote, in canonical form, read and replaced as a whole; json and
-- not jsonb because nothing looks inside, and the text must come back as it was stored to see that a repeat is one.
create table product (
  id          text collate "C" primary key,   -- time-ordered, so "newest first" is this key backwards
  version     integer not null,
  slug        text collate "C" not null unique deferrable initially deferred,   -- two products may swap theirs
  status      text not null,
  body        json not null,
  last_change text not null,                  -- the change that made this version: one applied twice is recognised
  created_at  timestamptz not null,
  updated_at  timestamptz not null
);

-- What has to be unique over all products, and what orders ask for by SKU.
create table variant (
  sku                  text collate "C" primary key,
  product_id           text collate "C" not null references product,
  gtin14               text collate "C" unique deferrable initially deferred,
  code                 text collate "C" not null,   -- the SKU without case and separators
  name                 text not null,               -- of product and variant, as an order line shows it
  active               boolean not null,
  prices               json not null,               -- {"EUR": 1200}
  available            boolean,                     -- null: no stock answer has been seen
  availability_version bigint not null default 0    -- inventory's, of this SKU: an older answer is passed over
);
create index variant_product on variant (product_id);
-- For SKUs half typed (a range) or mistyped: all codes one slip away from the one typed are looked up by equality.
create index variant_code on variant (code);

-- What the search reads: derived from `product` in the same transaction, narrow because broad queries scan it.
create table product_search (
  product_id text collate "C" primary key references product,
  status     text not null,
  name_key   text collate "C" not null,
  document   tsvector not null,
  facets     text[] not null,
  prices     jsonb not null,                  -- lowest of any variant: {"EUR": 1200}
  available  boolean
);
-- fastupdate off: readers would have to scan the pending list, and reads are what has a bound on its time.
-- Two indexes by status, because a status is a lexeme of nearly every product: to put 50,000 rows into a bitmap only to
-- cut it with the next takes 15 ms.
create index product_search_active on product_search using gin (document) with (fastupdate = off) where status = 'active';
create index product_search_other on product_search using gin (document) with (fastupdate = off) where status <> 'active';
create index product_search_name on product_search (name_key, product_id);

-- The same prices for reading in order of price, when so many products match that sorting them would take too long.
create table product_price (
  currency     text collate "C" not null,
  product_id   text collate "C" not null references product,
  amount_minor bigint not null,
  primary key (product_id, currency)
);
create index product_price_order on product_price (currency, amount_minor, product_id);

-- Words of the active products and, for each, the forms it is filed under for finding it by a typing error (see typo.ts).
-- Why not by trigrams (pg_trgm): with word_similarity on the names, a trigram of a common word is in thousands of names,
-- each of which has then to be read and compared; and the commonest slip, two letters swapped, leaves short words hardly
-- a trigram in common (similarity of rpoe and rope: 0.11). Misspelt words are therefore looked up here, once a word and
-- not once a product, and the products by the words that were meant. It needs no extension either.
create table search_word (
  word     text collate "C" primary key,
  products integer not null                   -- active products that have it: the likelier of two corrections
);                                            -- categories (#category:ropes) are counted here in the same way
create table search_form (
  form text collate "C" not null,
  word text collate "C" not null references search_word on delete cascade,
  primary key (form, word)
);
create index search_form_word on search_form (word);
