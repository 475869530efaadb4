-- Whose cart a guest's has joined: it is no other customer's to join after that.
alter table cart add column joined_by text;
update cart set joined_by = own.customer_id from cart own where own.id = cart.joined_into;
