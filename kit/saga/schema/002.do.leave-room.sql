-- Each saga is updated some times within a second of its insert. Room on its page lets those updates touch no index
-- (heap-only tuples), and text that nobody searches is cheaper to write as it is than taken apart.
alter table saga
  alter column results type json,
  alter column journal type json,
  alter column cause type json,
  set (fillfactor = 35);
