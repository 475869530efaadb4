/** Longest line of a stream that is kept while waiting for its end. */
const lineLengthMax = 1_000_000;

/** The values of a stream of server-sent events (WHATWG HTML §9.2), of which ours use `data` alone, one line each. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > lineLengthMax) throw new Error('a line of the event stream is too long');
      for (const line of lines) if (line.startsWith('data:')) yield JSON.parse(line.slice('data:'.length));
    }
  } finally {
    // Whoever stops listening early lets go of the connection, too.
    await reader.cancel().catch(() => {});
  }
}
