-- Logical time of the newest event that tells of an order: whichever instance makes the next one stamps it after this.
alter table customer_order add column hlc text;
