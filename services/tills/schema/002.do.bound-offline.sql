-- How far a till may go on by itself: the sum of what it has not told, and the time since it was last online.
alter table till add column offline_amount_minor_max bigint not null default 500000;
alter table till add column offline_age_ms_max bigint not null default 259200000;   -- three days
