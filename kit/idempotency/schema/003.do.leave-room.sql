-- A row is inserted short and gets its result a moment later. With room for that on its page the update touches no index.
alter table idempotency_key set (fillfactor = 20);
