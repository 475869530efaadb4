-- When the endpoint was made, in hybrid logical time: what happened since is told by no wall clock, as those of machines
-- differ. Null: made before this was kept, or where there is no such clock; then it is by created_at.
alter table endpoint add column made_hlc text;
