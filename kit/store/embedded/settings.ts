import { totalmem } from 'node:os';

export type SettingValue = string | number | boolean;
export type Settings = Readonly<Record<string, SettingValue>>;

/**
 * Settings for many short transactions on a machine that is shared with the services themselves.
 * Durability is never traded: fsync, full_page_writes and synchronous_commit stay on.
 */
export function defaultSettings(memoryBytes: number = totalmem()): Settings {
  const memoryMb = Math.floor(memoryBytes / 2 ** 20);
  return {
    listen_addresses: '127.0.0.1',
    max_connections: 200,
    password_encryption: 'scram-sha-256',

    // An eighth of the memory, not the usual quarter: the services live on the same machine.
    shared_buffers: `${clamp(memoryMb / 8, 64, 512)}MB`,
    effective_cache_size: `${clamp(memoryMb / 2, 256, 8192)}MB`,
    work_mem: '8MB',
    maintenance_work_mem: '64MB',

    fsync: true,
    full_page_writes: true,
    synchronous_commit: 'on',
    // Fewer checkpoints mean fewer full page images; recovery after a crash reads at most this much.
    max_wal_size: '1GB',
    min_wal_size: '128MB',
    checkpoint_timeout: '10min',
    checkpoint_completion_target: 0.9,
    wal_buffers: '16MB',

    // Planning: solid-state disks, and statements far too short for just-in-time compilation to pay.
    random_page_cost: 1.1,
    jit: false,

    // Queues and counters are updated all the time: vacuum looks often and does little each time.
    autovacuum_naptime: '15s',
    autovacuum_vacuum_scale_factor: 0.05,
    autovacuum_analyze_scale_factor: 0.05,

    track_io_timing: true,
    track_functions: 'none',

    // Values of statements may hold personal data, so none is logged, not even with an error.
    log_statement: 'none',
    log_min_error_statement: 'panic',
    log_min_duration_statement: -1,
    log_parameter_max_length: 0,
    log_parameter_max_length_on_error: 0,
    log_checkpoints: false,
    log_line_prefix: '%m [%p] ',
    log_timezone: 'UTC',
    timezone: 'UTC',
    lc_messages: 'C',
    logging_collector: false,
    // A client that vanished is noticed while its statement still runs.
    client_connection_check_interval: '5s',
    tcp_keepalives_idle: 30,
  };
}

/** For tests that don't ask what survives a power cut: nothing waits for the disk. */
export const volatileSettings: Settings = {
  fsync: false,
  full_page_writes: false,
  synchronous_commit: 'off',
  shared_buffers: '64MB',
  max_wal_size: '256MB',
  min_wal_size: '32MB',
  autovacuum_naptime: '1min',
};

/** `-c name=value` for each setting: nothing is written into postgresql.conf, so nothing can disagree with it. */
export function settingArguments(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${settingText(value)}`]);
}

function settingText(value: SettingValue): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}

function clamp(value: number, min: number, max: number): number {
  return Math.round(Math.min(max, Math.max(min, value)));
}
