-- As it was sent, to the letter: orders knows a repeat by its text, and jsonb puts fields into an order of its own.
alter table checkout alter column request type json using request::json;
