import type { Database } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import type { Instance, Registry } from './instance.ts';

const channel = 'holdfast_mesh';

export const registryMigrations: Migrations = {
  directory: `${import.meta.dirname}/../schema`,
  table: 'schema_mesh',
};

/** A process whose lease ran out is kept a while, so that a registry that was away forgets nobody who only couldn't renew. */
const forgottenAfterMs = 60_000;

/**
 * The registry in PostgreSQL: all times are the database's, so it doesn't matter what clocks the processes have. A
 * NOTIFY is sent only when something is new or gone, never for a renewal; and no renewal waits for the disk, since a lost
 * one is repeated.
 */
export function createPostgresRegistry({ database }: { readonly database: Database }): Registry {
  /** `overtakes`: whether another start of it that lives has to go. */
  async function write(instance: Instance, leaseMs: number, overtakes: boolean): Promise<void> {
    const { process, startId, services, host, port, operatorPort, doorPort, zone } = instance;
    await database.query(
      `with before as (
         select start_id, expires_at > now() as alive from mesh_instance where process = $1
       ), kept as (
         insert into mesh_instance as known
           (process, start_id, services, host, port, operator_port, door_port, zone, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9 * interval '1 millisecond')
         on conflict (process) do update set
           start_id = excluded.start_id, services = excluded.services, host = excluded.host, port = excluded.port,
           operator_port = excluded.operator_port, door_port = excluded.door_port, zone = excluded.zone,
           expires_at = excluded.expires_at
         where $10 or known.start_id = excluded.start_id or known.expires_at <= now()
         returning 1
       )
       select set_config('synchronous_commit', 'off', true), (
         select pg_notify('${channel}', '') from kept where not exists (select from before where start_id = $2 and alive)
       )`,
      [process, startId, services, host, port, operatorPort, doorPort ?? null, zone, leaseMs, overtakes],
    );
  }

  return {
    join: (instance, leaseMs) => write(instance, leaseMs, true),
    renew: (instance, leaseMs) => write(instance, leaseMs, false),
    async remove({ process, startId }) {
      await database.query(
        `with gone as (delete from mesh_instance where process = $1 and start_id = $2 returning 1)
         select pg_notify('${channel}', '') from gone`,
        [process, startId],
      );
    },
    async look() {
      const { rows } = await database.query<{ instances: Instance[] | null; revoked: string[] | null }>(
        `with forgotten as (
           delete from mesh_instance where expires_at < now() - $1 * interval '1 millisecond'
         ), spent as (
           delete from mesh_revocation where kept_until < now()
         )
         select
           (select json_agg(json_strip_nulls(json_build_object('process', process, 'startId', start_id,
                    'services', services, 'host', host, 'port', port, 'operatorPort', operator_port,
                    'doorPort', door_port, 'zone', zone)) order by process)
              from mesh_instance where expires_at > now()) as instances,
           (select json_agg(serial) from mesh_revocation where kept_until >= now()) as revoked`,
        [forgottenAfterMs],
      );
      return { instances: rows[0]?.instances ?? [], revoked: rows[0]?.revoked ?? [] };
    },
    async revoke(serial, keptMs) {
      await database.query(
        `with kept as (
           insert into mesh_revocation (serial, kept_until) values ($1, now() + $2 * interval '1 millisecond')
           on conflict (serial) do update set kept_until = greatest(mesh_revocation.kept_until, excluded.kept_until)
         )
         select pg_notify('${channel}', '')`,
        [serial.toUpperCase(), keptMs],
      );
    },
    watch: (onChange) => database.listen(channel, onChange),
  };
}
