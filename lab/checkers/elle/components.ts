import type { Graph } from './graph.ts';

/**
 * Strongly connected components of more than one node, along edges of the kinds in `bits`: Tarjan, "Depth-first search
 * and linear graph algorithms", SIAM J. Comput. 1972, with an explicit stack, as histories are longer than the call stack.
 */
export function componentsOf({ edges }: Graph, bits: number): number[][] {
  const index = new Int32Array(edges.length).fill(-1);
  const low = new Int32Array(edges.length);
  const isOpen = new Uint8Array(edges.length);
  const open: number[] = [];
  const components: number[][] = [];
  let count = 0;

  interface Frame {
    readonly node: number;
    readonly successors: Iterator<number>;
  }
  const path: Frame[] = [];
  const enter = (node: number) => {
    index[node] = count;
    low[node] = count;
    count += 1;
    open.push(node);
    isOpen[node] = 1;
    path.push({ node, successors: successorsOf({ edges }, node, bits) });
  };
  const leave = (node: number) => {
    path.pop();
    const parent = path.at(-1)?.node;
    if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number);
    if (low[node] !== index[node]) return;
    const component: number[] = [];
    for (let member = -1; member !== node; ) {
      member = open.pop() as number;
      isOpen[member] = 0;
      component.push(member);
    }
    if (component.length > 1) components.push(component);
  };

  for (let root = 0; root < edges.length; root++) {
    if (index[root] !== -1) continue;
    enter(root);
    for (let frame = path.at(-1); frame; frame = path.at(-1)) {
      const { done, value: next } = frame.successors.next();
      if (done) leave(frame.node);
      else if (index[next] === -1) enter(next);
      else if (isOpen[next]) low[frame.node] = Math.min(low[frame.node] as number, index[next] as number);
    }
  }
  return components;
}

function* successorsOf({ edges }: Pick<Graph, 'edges'>, node: number, bits: number): Generator<number, void> {
  for (const edge of edges[node]?.values() ?? []) if (edge.bits & bits) yield edge.to;
}
