-- Raised whenever what is sold under a SKU changes, by whoever: those who keep what they have read look at this one row
-- to see that it still holds. Writers come one at a time anyway (a lock for the catalogue), so nobody waits for it.
create table catalogue_revision (
  one      boolean primary key default true check (one),
  revision bigint not null
);
insert into catalogue_revision (revision) values (1);

create function raise_catalogue_revision() returns trigger language plpgsql as $$
begin
  update catalogue_revision set revision = revision + 1;
  return null;
end $$;

-- Not of availability, which inventory tells all day and orders don't ask here.
create trigger variant_change
  after delete or truncate or update of sku, product_id, name, active, prices on variant
  for each statement execute function raise_catalogue_revision();
-- Orders keep the version that they were priced by.
create trigger product_change after update of version on product
  for each statement execute function raise_catalogue_revision();
