import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** What the proxy does to the next COMMIT that comes along; then it is honest again. */
export type CommitFault =
  /** The server commits; the answer is dropped and the connection cut. */
  | 'lose-reply'
  /** COMMIT never reaches the server; the connection is cut, which rolls back. */
  | 'lose-commit';

/** A TCP proxy in front of PostgreSQL that loses COMMITs, cuts connections and swallows bytes. For tests. */
export interface FaultyProxy {
  /** The database's URL, through the proxy. */
  readonly url: string;
  /** Faults for the next commits, in order, over all connections; undefined lets one pass. */
  readonly commitFaults: (CommitFault | undefined)[];
  /** COMMITs seen. */
  readonly commits: number;
  /** While true nothing passes in either direction, and nobody is told: a network that is gone. */
  blackHole: boolean;
  /** While true connections are refused. */
  down: boolean;
  /** Cuts every connection now. */
  cutAll(): void;
  close(): Promise<void>;
}

/** Simple query `commit`, as node-postgres sends it. */
const commitMessage = Buffer.from([0x51, 0, 0, 0, 11, ...Buffer.from('commit'), 0]);

export async function createFaultyProxy(databaseUrl: string): Promise<FaultyProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const commitFaults: (CommitFault | undefined)[] = [];
  let commits = 0;

  const server = createServer((client) => {
    if (proxy.down) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    let loseReply = false;
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', cut);
      socket.on('close', () => {
        sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (bytes) => {
      if (proxy.blackHole) return;
      if (bytes.includes(commitMessage)) {
        commits += 1;
        const fault = commitFaults.shift();
        if (fault === 'lose-commit') return cut();
        loseReply = fault === 'lose-reply';
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (proxy.blackHole) return;
      if (loseReply) cut();
      else client.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);

  const proxy: FaultyProxy = {
    url: url.href,
    commitFaults,
    get commits() {
      return commits;
    },
    blackHole: false,
    down: false,
    cutAll() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
