/**
 * Snapshot and restore of a live PGlite instance: its WASM memory and its file system, put back in place in about 15 ms
 * where loading an instance takes a second. It leans on Emscripten's internals, so the version of PGlite is pinned and
 * `snapshot.test.ts` is the canary: it fails when a new version keeps state elsewhere.
 */

export interface WasmModule {
  readonly HEAPU8: Uint8Array;
  readonly FS: WasmFileSystem;
  stackSave(): number;
  stackRestore(pointer: number): void;
}

interface FsNode {
  name: string;
  parent: FsNode;
  mode: number;
  rdev: number;
  mtime: number;
  ctime: number;
  atime: number;
  usedBytes: number;
  // A folder's children by name, or a file's bytes.
  contents: Record<string, FsNode> & Uint8Array;
}

interface FsStream {
  fd: number;
  position: number;
  flags: number;
}

export interface WasmFileSystem {
  streams: (FsStream | null | undefined)[];
  nextInode: number;
  lookupPath(path: string): { node: FsNode };
  lookupNode(parent: FsNode, name: string): FsNode;
  isDir(mode: number): boolean;
  isFile(mode: number): boolean;
  hashAddNode(node: FsNode): void;
  hashRemoveNode(node: FsNode): void;
  mkdirTree(path: string): void;
  writeFile(path: string, bytes: Uint8Array): void;
  getDevice(rdev: number): { stream_ops: { read: (...args: never[]) => number } };
}

type SavedNode = Pick<FsNode, 'name' | 'parent' | 'mode' | 'mtime' | 'ctime' | 'atime' | 'usedBytes'> & {
  readonly node: FsNode;
  readonly bytes: Uint8Array | undefined;
  readonly children: readonly (readonly [string, FsNode])[] | undefined;
};

export interface Snapshot {
  readonly memory: Uint8Array;
  readonly stack: number;
  readonly nodes: readonly SavedNode[];
  readonly known: ReadonlySet<FsNode>;
  readonly streams: readonly (
    | { readonly stream: FsStream; readonly position: number; readonly flags: number }
    | undefined
  )[];
  readonly nextInode: number;
}

const dataDirectory = '/pglite/data';
const pageBytes = 65_536;

/** Replaces the devices of randomness: Emscripten's own keep a buffer in JavaScript that would leak between runs. */
export function replaceEntropy(module: WasmModule, draw: (size: number) => Uint8Array): void {
  for (const path of ['/dev/urandom', '/dev/random']) {
    const { node } = module.FS.lookupPath(path);
    const device = module.FS.getDevice(node.rdev);
    device.stream_ops.read = ((_stream: unknown, buffer: Uint8Array, offset: number, length: number) => {
      buffer.set(draw(length), offset);
      return length;
    }) as never;
  }
}

/** The folders and files of a server's data directory; a folder has no bytes, and comes before what is in it. */
export type DataFiles = readonly { readonly path: string; readonly bytes: Uint8Array | undefined }[];

/** As they are now. The bytes are the server's own: copy them if it goes on. */
export function listFiles({ FS }: WasmModule): DataFiles {
  const files: { path: string; bytes: Uint8Array | undefined }[] = [];
  function list(node: FsNode, path: string): void {
    if (FS.isDir(node.mode)) {
      files.push({ path, bytes: undefined });
      for (const [name, child] of Object.entries<FsNode>(node.contents)) list(child, `${path}/${name}`);
    } else if (FS.isFile(node.mode)) {
      files.push({ path, bytes: node.contents?.subarray(0, node.usedBytes) ?? new Uint8Array() });
    }
  }
  list(FS.lookupPath(dataDirectory).node, dataDirectory);
  return files;
}

/** Makes them for a server that has not started yet. */
export function writeFiles({ FS }: WasmModule, files: DataFiles): void {
  for (const { path, bytes } of files) {
    if (bytes) FS.writeFile(path, bytes);
    else FS.mkdirTree(path);
  }
}

export function takeSnapshot(module: WasmModule): Snapshot {
  const { FS } = module;
  const nodes: SavedNode[] = [];
  collect(FS, FS.lookupPath(dataDirectory).node, nodes);
  return {
    memory: module.HEAPU8.slice(0, usedBytesOf(module.HEAPU8)),
    stack: module.stackSave(),
    nodes,
    known: new Set(nodes.map(({ node }) => node)),
    streams: FS.streams.map((stream) =>
      stream ? { stream, position: stream.position, flags: stream.flags } : undefined,
    ),
    nextInode: FS.nextInode,
  };
}

/** Where the last page that is not all zero ends. */
function usedBytesOf(heap: Uint8Array): number {
  const words = new BigUint64Array(heap.buffer, heap.byteOffset, heap.byteLength >> 3);
  let last = words.length - 1;
  while (last > 0 && words[last] === 0n) last--;
  return Math.min(heap.length, (Math.floor((last * 8) / pageBytes) + 1) * pageBytes);
}

function collect(FS: WasmFileSystem, node: FsNode, into: SavedNode[]): void {
  const { name, parent, mode, mtime, ctime, atime, usedBytes } = node;
  const common = { node, name, parent, mode, mtime, ctime, atime, usedBytes };
  if (FS.isDir(mode)) {
    const children = Object.entries<FsNode>(node.contents);
    into.push({ ...common, bytes: undefined, children });
    for (const [, child] of children) collect(FS, child, into);
  } else if (FS.isFile(mode)) {
    into.push({ ...common, bytes: node.contents?.slice(0, usedBytes), children: undefined });
  }
}

export function restoreSnapshot(module: WasmModule, snapshot: Snapshot): void {
  const { FS, HEAPU8: heap } = module;
  heap.set(snapshot.memory, 0);
  if (heap.length > snapshot.memory.length) heap.fill(0, snapshot.memory.length);
  module.stackRestore(snapshot.stack);
  forgetNewNodes(FS, FS.lookupPath(dataDirectory).node, snapshot.known);
  for (const saved of snapshot.nodes) restoreNode(FS, saved);
  for (const { node } of snapshot.nodes) if (!isHashed(FS, node)) FS.hashAddNode(node);
  FS.streams.length = 0;
  snapshot.streams.forEach((saved, fd) => {
    if (!saved) return;
    const { stream, position, flags } = saved;
    FS.streams[fd] = Object.assign(stream, { fd, position, flags });
  });
  FS.nextInode = snapshot.nextInode;
}

function forgetNewNodes(FS: WasmFileSystem, node: FsNode, known: ReadonlySet<FsNode>): void {
  if (FS.isDir(node.mode)) for (const child of Object.values<FsNode>(node.contents)) forgetNewNodes(FS, child, known);
  if (!known.has(node)) FS.hashRemoveNode(node);
}

function restoreNode(FS: WasmFileSystem, saved: SavedNode): void {
  const { node, bytes, children, mtime, ctime, atime, usedBytes, mode } = saved;
  if (node.name !== saved.name || node.parent !== saved.parent) {
    FS.hashRemoveNode(node);
    node.name = saved.name;
    node.parent = saved.parent;
  }
  if (children) node.contents = Object.fromEntries(children) as FsNode['contents'];
  else if (!sameBytes(node, bytes, usedBytes)) {
    node.contents = bytes?.slice() as FsNode['contents'];
    node.usedBytes = usedBytes;
  }
  Object.assign(node, { mode, mtime, ctime, atime });
}

/** Comparing is cheaper than copying: few of a thousand files change in a run. */
function sameBytes(node: FsNode, bytes: Uint8Array | undefined, usedBytes: number): boolean {
  const { contents } = node;
  if (!contents || !bytes || node.usedBytes !== usedBytes) return false;
  return Buffer.compare(bufferOf(contents, usedBytes), bufferOf(bytes, usedBytes)) === 0;
}

function bufferOf(bytes: Uint8Array, length: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length);
}

function isHashed(FS: WasmFileSystem, node: FsNode): boolean {
  try {
    return FS.lookupNode(node.parent, node.name) === node;
  } catch {
    return false;
  }
}
