-- What inventory said last of each SKU, whether or not the catalogue has it: a variant that comes later takes it from here.
create table stock_note (
  sku       text collate "C" primary key,
  available boolean not null,
  version   bigint not null
);

insert into stock_note (sku, available, version)
select sku, available, availability_version from variant where available is not null;
