-- Nobody signs in to a disabled account; what it did stays.
alter table user_account add column disabled_at timestamptz;
alter table session drop constraint session_ended_why_check;
alter table session add constraint session_ended_why_check
  check (ended_why in ('sign-out', 'everywhere', 'password', 'reuse', 'crowded', 'role', 'disabled', 'staff'));

-- How staff find people: by the beginning of an e-mail, by words of a name, by role.
create index user_account_email_prefix on user_account (email_key text_pattern_ops);
create index user_account_name on user_account using gin (to_tsvector('simple', coalesce(name, '')));
create index user_account_role on user_account (role, id);
