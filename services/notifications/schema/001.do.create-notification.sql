-- What is to be said to whom: written once per event and template, then sent by whoever leases it.
create table notification (
  id text primary key,
  -- The event, or `resend:<caller>:<idempotency key>`.
  event_id text not null,
  template text not null,
  order_id text not null,
  recipient text not null,
  subject text not null,
  body_text text not null,
  body_html text not null,
  status text not null check (status in ('pending', 'sent', 'failed', 'recorded')),
  attempts integer not null default 0,
  cause text,
  resend_of text,
  created_at timestamptz not null default now(),
  next_attempt_at timestamptz not null default now(),
  sent_at timestamptz,
  lease_owner text,
  leased_until timestamptz,
  unique (event_id, template)
);
create index notification_due on notification (next_attempt_at) where status = 'pending';
create index notification_by_order on notification (order_id, id);
create index notification_ended on notification (created_at) where status <> 'pending';
