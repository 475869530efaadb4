-- Who executes sagas just now. A row that is not renewed lets every other instance take its sagas over.
create table saga_owner (
  owner      text primary key,
  expires_at timestamptz not null
);

create table saga (
  id         text primary key,
  definition text not null,
  version    int not null,
  status     text not null check (status in ('running', 'compensating', 'completed', 'refused', 'stuck', 'abandoned')),
  step       int not null,            -- the step under way, or the next one to compensate
  input      jsonb not null,
  results    jsonb not null,          -- of the steps done, by name
  journal    jsonb not null,          -- what was tried and how it ended, for people
  cause      jsonb,                   -- why it compensates, was refused or is stuck
  fence      int not null,            -- raised at each takeover: a write with an older one is refused
  revision   int not null,            -- raised with each change: a write that was overtaken changes nothing
  owner      text,
  wake_at    timestamptz,             -- a waiting saga sleeps here, owned by nobody, until then
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- Only what is unfinished is ever looked for by status.
create index saga_unfinished on saga (status, created_at) where status in ('running', 'compensating', 'stuck');
