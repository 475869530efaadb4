-- Who may sign in. Nothing here lets a thief of this database in: passwords and tokens are hashes, private keys sealed.
create table user_account (
  id                 text primary key,                  -- usr_…
  email              text not null,                     -- as it was typed, to write to
  email_key          text not null unique,              -- normalised: what makes it the same e-mail
  name               text,
  role               text not null check (role in ('customer', 'staff', 'admin')),
  password_hash      text not null,                     -- argon2id in PHC format
  credential_version int not null default 1,            -- counts password changes: a sign-in that raced one is refused
  version            int not null default 1,            -- the ETag
  created_at         timestamptz not null
);

-- One row a signed-in device. A refresh token is good for one rotation; only hashes of the current and the previous one
-- are kept. Older ones are known by their tag (refresh-token.ts), so a session stays one row however long it lives.
create table session (
  id             text primary key,                      -- ses_…
  user_id        text not null references user_account on delete cascade,
  device         text,
  tag_key        bytea not null,                        -- authenticates the tokens of this session
  generation     int not null,                          -- of the current refresh token
  current_hash   bytea not null,
  previous_hash  bytea,
  rotation_nonce bytea,                                 -- with the previous token it yields the current one again
  created_at     timestamptz not null,
  rotated_at     timestamptz not null,
  expires_at     timestamptz not null,                  -- moves with each rotation, up to ends_at
  ends_at        timestamptz not null,
  ended_at       timestamptz,
  ended_why      text check (ended_why in ('sign-out', 'everywhere', 'password', 'reuse', 'crowded')),
  check ((ended_at is null) = (ended_why is null))
);
create index session_by_user on session (user_id, created_at) where ended_at is null;
create index session_by_expiry on session (expires_at);

-- Attempts by account and by source, charged before a password is looked at and given back when it was right.
create table attempt (
  bucket        text primary key,                       -- what is counted, and a hash of whose
  count         int not null,
  last_at       timestamptz not null,
  blocked_until timestamptz
);
create index attempt_last on attempt (last_at);

create table password_reset (
  id         text primary key,                          -- pwr_…
  user_id    text not null references user_account on delete cascade,
  nonce      bytea not null,                            -- the token is made from it with the key that is not in here
  token_hash bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at    timestamptz
);
create index password_reset_user on password_reset (user_id);
create index password_reset_expires on password_reset (expires_at);

create table address (
  id         text primary key,                          -- adr_…
  user_id    text not null references user_account on delete cascade,
  label      text,
  address    jsonb not null,
  version    int not null default 1,
  created_at timestamptz not null
);
create index address_user on address (user_id, created_at, id);

-- Ed25519 keys that access tokens are signed with, shared by all instances.
create table signing_key (
  kid            text primary key,
  public_x       text not null,                         -- base64url, as in a JWK
  private_sealed bytea not null,                        -- AES-256-GCM under a key that is not in this database
  created_at     timestamptz not null,
  signs_from     timestamptz not null,                  -- published before it signs
  verifies_until timestamptz                            -- set when a successor takes over
);
