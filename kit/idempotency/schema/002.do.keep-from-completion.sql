-- Results are kept for a stated time from when the operation ended, not from when it began: one that was stuck for days
-- and then resolved must still be known to the client who asks again.
alter table idempotency_key add column completed_at timestamptz;
update idempotency_key set completed_at = created_at where result is not null;
