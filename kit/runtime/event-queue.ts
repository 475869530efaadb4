/** A moment at which something happens in virtual time. `task` is undefined once it has run or was called off. */
export interface ScheduledEvent {
  readonly atMs: number;
  /** Events of the same moment happen in the order in which they were scheduled. */
  readonly sequence: number;
  task: (() => void) | undefined;
}

/** Dead events are swept out once there are this many and they are the majority: most time-outs are called off. */
const sweepAtLeast = 1_024;

/** Scheduled events, earliest first: a binary heap (Williams 1964) that forgets cancelled events lazily. */
export interface EventQueue {
  /** Events still to happen. */
  readonly size: number;
  add(atMs: number, task: () => void): ScheduledEvent;
  cancel(event: ScheduledEvent): void;
  /** The earliest event still to happen, left in the queue. */
  peek(): ScheduledEvent | undefined;
  /** Takes the event that `peek` showed. */
  take(): ScheduledEvent | undefined;
}

export function createEventQueue(): EventQueue {
  let heap: ScheduledEvent[] = [];
  let sequence = 0;
  let dead = 0;

  function peek(): ScheduledEvent | undefined {
    while (heap.length > 0) {
      const first = heap[0] as ScheduledEvent;
      if (first.task) return first;
      removeFirst(heap);
      dead--;
    }
    return undefined;
  }

  return {
    get size() {
      return heap.length - dead;
    },
    add(atMs, task) {
      const event: ScheduledEvent = { atMs, sequence: sequence++, task };
      heap.push(event);
      siftUp(heap, heap.length - 1);
      return event;
    },
    cancel(event) {
      if (!event.task) return;
      event.task = undefined;
      dead++;
      if (dead >= sweepAtLeast && dead * 2 > heap.length) {
        // A sorted array is a heap, and live events keep their order, so sweeping can't change what happens when.
        heap = heap.filter((other) => other.task).sort((a, b) => (isBefore(a, b) ? -1 : 1));
        dead = 0;
      }
    },
    peek,
    take() {
      const event = peek();
      if (event) removeFirst(heap);
      return event;
    },
  };
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

function siftUp(heap: ScheduledEvent[], start: number): void {
  const event = heap[start] as ScheduledEvent;
  let index = start;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex] as ScheduledEvent;
    if (!isBefore(event, parent)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = event;
}

function removeFirst(heap: ScheduledEvent[]): void {
  const last = heap.pop() as ScheduledEvent;
  const length = heap.length;
  if (length === 0) return;
  let index = 0;
  for (;;) {
    let childIndex = 2 * index + 1;
    if (childIndex >= length) break;
    if (
      childIndex + 1 < length &&
      isBefore(heap[childIndex + 1] as ScheduledEvent, heap[childIndex] as ScheduledEvent)
    ) {
      childIndex++;
    }
    const child = heap[childIndex] as ScheduledEvent;
    if (!isBefore(child, last)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = last;
}
