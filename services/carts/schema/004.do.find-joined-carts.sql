-- What a guest is buying may be in the cart that the guest's has joined: whoever begins a checkout looks at both.
create index cart_joined on cart (joined_into) where joined_into is not null;
create index checkout_open_of_cart on checkout (cart_id) where state in ('saved', 'placed');
