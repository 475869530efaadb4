-- Asked once a second by each public door: which sessions ended in the life of an access token.
create index session_by_end on session (ended_at) where ended_at is not null;
