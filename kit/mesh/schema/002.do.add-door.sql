-- Where an instance answers clients from outside, if it does.
alter table mesh_instance add column door_port integer;
