import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Random, seededRandom } from '#kit/runtime';
import { type Migrations, migrateWith } from '#kit/store';
import { createSession, type Session, type Statement } from './session.ts';
import {
  type DataFiles,
  listFiles,
  replaceEntropy,
  restoreSnapshot,
  type Snapshot,
  takeSnapshot,
  type WasmModule,
  writeFiles,
} from './snapshot.ts';
import { drawEntropy, insideWhile, installVirtualGlobals, type Surroundings } from './virtualise.ts';

/** A database that can be put back to how it was after its migrations, again and again. */
export interface Image {
  readonly name: string;
  /**
   * Puts everything back and opens the session anew, with the clock and entropy of the run that begins.
   */
  reset(surroundings: Surroundings): Session;
  /**
   * Takes the database as a first run has left it, empties it, and resets to that from now on: statements are parsed and
   * planned, and the server's caches are warm, which halves the time of a run.
   */
  keepWarm(session: Session): void;
  /**
   * What a killed server is left with: its files as they were last written, nothing of its memory. A new server starts on
   * them and recovers from its log, as after SIGKILL (what was written but not synced survives; that is for the fault lab).
   * Takes half a second. The next `reset` is back on the old server.
   */
  recover(surroundings: Surroundings): Promise<Session>;
}

export interface ImageDescription {
  readonly name: string;
  readonly migrations: readonly Migrations[];
}

interface Engine {
  execProtocolRawSync(message: Uint8Array): Uint8Array;
  readonly Module: WasmModule;
}

/** Starts a server, on files that another has left or on new ones. */
type StartEngine = (surroundings: Surroundings, files: DataFiles | undefined) => Promise<Engine>;

/** What a server is told at its start: small, as its memory is copied for each run, and quiet, as nothing may run alone. */
const settings = [
  'shared_buffers=2MB',
  'wal_buffers=64kB',
  'max_connections=4',
  'autovacuum=off',
  'fsync=off',
  'full_page_writes=off',
  // Which plan is taken must not depend on how often a statement has run.
  'plan_cache_mode=force_generic_plan',
  'timezone=UTC',
];

const creationMs = Date.UTC(2029, 11, 31);

/** Makes one server a database. The first takes an initdb (seconds), the others begin from a copy of its files. */
export async function createImages(descriptions: readonly ImageDescription[]): Promise<Image[]> {
  installVirtualGlobals();
  const { PGlite, MemoryFS } = await import('@electric-sql/pglite');
  const dist = dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite'));
  const [postgres, initdb, files] = await Promise.all(
    ['pglite.wasm', 'initdb.wasm', 'pglite.data'].map((name) => readFile(join(dist, name))),
  );
  const options = {
    pgliteWasmModule: await compileWasm(postgres as Uint8Array),
    initdbWasmModule: await compileWasm(initdb as Uint8Array),
    fsBundle: new Blob([files as Uint8Array<ArrayBuffer>]),
    initDbStartParams: ['--wal-segsize=1'],
    startParams: [...PGlite.defaultStartParams, ...settings.flatMap((setting) => ['-c', setting])],
  };
  type Options = import('@electric-sql/pglite').PGliteOptions;
  const images: Image[] = [];
  /** A file system that is filled before the server looks at it. By a tar file, as PGlite has it, that takes twice as long. */
  function filledWith(files: DataFiles): object {
    const fs = new MemoryFS();
    fs.initialSyncFs = async () => writeFiles((fs as unknown as { readonly pg: Engine }).pg.Module, files);
    return fs;
  }
  const start: StartEngine = async (surroundings, files) => {
    const engine = (await insideWhile(surroundings, () =>
      PGlite.create({ ...options, ...(files ? { fs: filledWith(files) } : {}) } as Options),
    )) as unknown as Engine;
    replaceEntropy(engine.Module, drawEntropy);
    return engine;
  };
  let copy: DataFiles | undefined;
  for (const { name, migrations } of descriptions) {
    const surroundings = { wallMs: () => creationMs, entropy: seededRandom(name, 'image') };
    const engine = await start(surroundings, copy);
    copy ??= listFiles(engine.Module).map(({ path, bytes }) => ({ path, bytes: bytes?.slice() }));
    images.push(await createImage(name, engine, surroundings, migrations, start));
  }
  return images;
}

/** Node has WebAssembly; the types that we compile with know browsers only. */
function compileWasm(bytes: Uint8Array): Promise<object> {
  const { WebAssembly: wasm } = globalThis as unknown as {
    WebAssembly: { compile(bytes: Uint8Array): Promise<object> };
  };
  return wasm.compile(bytes);
}

async function createImage(
  name: string,
  engine: Engine,
  surroundings: Surroundings,
  migrations: readonly Migrations[],
  start: StartEngine,
): Promise<Image> {
  const session = createSession(engine, surroundings);
  await migrateWith(async (sql) => session.exec(sql), migrations);
  session.exec('checkpoint');
  let statements: ReadonlyMap<string, Statement> = new Map();
  const rows = rememberRows(session);
  session.exec('discard all');
  let snapshot: Snapshot = takeSnapshot(engine.Module);
  /** Another one than `engine` from a recovery to the next reset. */
  let running = engine;

  /** PostgreSQL's own generator was seeded when the image was made; a run wants one of its own. */
  function seed(session: Session, entropy: Random): void {
    session.exec(`select setseed(${entropy.next().toFixed(6)})`);
  }

  return {
    name,
    reset(surroundings) {
      running = engine;
      restoreSnapshot(engine.Module, snapshot);
      const session = createSession(engine, surroundings, statements);
      seed(session, surroundings.entropy);
      return session;
    },
    keepWarm(session) {
      restoreRows(session, rows);
      statements = new Map(session.statements);
      snapshot = takeSnapshot(engine.Module);
    },
    async recover(surroundings) {
      running = await start(surroundings, listFiles(running.Module));
      const session = createSession(running, surroundings);
      seed(session, surroundings.entropy);
      return session;
    },
  };
}

interface TableRows {
  readonly table: string;
  readonly json: string;
}

interface Rows {
  readonly tables: readonly TableRows[];
  readonly sequences: readonly { readonly name: string; readonly last: string | null }[];
}

/** What the migrations have put into the tables. */
function rememberRows(session: Session): Rows {
  const names = session.exec(
    `select table_name from information_schema.tables where table_schema = 'public' order by 1`,
  ).rows as readonly { table_name: string }[];
  const tables = names.map(({ table_name: table }) => {
    const { rows } = session.exec(`select coalesce(json_agg(t), '[]')::text as json from ${table} t`);
    return { table, json: (rows[0] as { json: string }).json };
  });
  const sequences = session.exec(
    `select sequencename as name, last_value::text as last from pg_sequences where schemaname = 'public' order by 1`,
  ).rows as readonly { name: string; last: string | null }[];
  return { tables, sequences };
}

/** Puts tables and sequences back to that. Without TRUNCATE, which would throw away plans and caches. */
function restoreRows(session: Session, { tables, sequences }: Rows): void {
  // Constraints between tables are for services; here the order of tables would have to follow them.
  session.exec('begin; set local session_replication_role = replica');
  for (const { table } of tables) session.exec(`delete from ${table}`);
  for (const { table, json } of tables) {
    if (json === '[]') continue;
    const text = json.replaceAll("'", "''");
    session.exec(
      `insert into ${table} overriding system value select * from json_populate_recordset(null::${table}, '${text}')`,
    );
  }
  for (const { name, last } of sequences) {
    session.exec(`select setval('${name}', ${last ?? 1}, ${last !== null})`);
  }
  session.exec('commit');
}
